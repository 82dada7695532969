//! The same bits for any number of threads and any level of one rounding, and those of one call of the crate.

mod common;

use common::Room;
use fused_loss::{BceWithLogits, Elementwise, Huber, Level, Rounding, Total};

const COUNT: usize = 3 * Total::<f32>::BLOCK + 17;

/// Numbers from 0 to 1 that look random.
fn noise(seed: u64) -> impl Iterator<Item = f64> {
    (0..COUNT as u64).map(move |index| {
        let mixed = (index + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    })
}

#[test]
fn threads_give_the_bits_of_one_call() {
    let room = Room::new();
    let pred: Vec<f32> = noise(1).map(|x| (x * 8.0 - 4.0) as f32).collect();
    let target: Vec<f32> = noise(2).map(|x| (x * 2.0 - 1.0) as f32).collect();
    let weights: Vec<f32> = noise(3).map(|x| if x < 0.1 { 0.0 } else { x as f32 }).collect();
    room.put_f32("p.npy", &pred);
    room.put_f32("t.npy", &target);
    room.put_f32("w.npy", &weights);

    let mut grad = vec![0.0; COUNT];
    let call = Huber { delta: 0.7 }.batch(&pred, &target).scale(0.3).gradient(&mut grad);
    let value = call.mean().unwrap();
    for threads in [1, 2, 3, 4, 5, 1000] {
        let run = "eval huber --delta 0.7 --scale 0.3 --pred p.npy --target t.npy --grad g.npy";
        let report = room.json(&format!("{run} --threads {threads}"));
        assert_eq!(report["bits"], format!("{:#010x}", value.to_bits()), "{threads}");
        assert_eq!(report["threads"], threads);
        let found = room.floats("g.npy", "<f4", &format!("({COUNT},)"));
        assert!(found.iter().zip(&grad).all(|(&found, &one)| found == f64::from(one)), "{threads}");
    }

    let mut each = vec![0.0; COUNT];
    let call = Huber { delta: 1.0 }.batch(&pred, &target).weights(&weights).gradient(&mut grad);
    let value = call.losses(&mut each).weighted_mean().unwrap();
    for threads in 1..5 {
        let run = "eval huber --pred p.npy --target t.npy --weights w.npy --reduction weighted-mean";
        let report = room.json(&format!("{run} --grad g.npy --each e.npy --threads {threads}"));
        assert_eq!(report["bits"], format!("{:#010x}", value.to_bits()), "{threads}");
        for (name, expected) in [("g.npy", &grad), ("e.npy", &each)] {
            let found = room.floats(name, "<f4", &format!("({COUNT},)"));
            assert!(found.iter().zip(expected).all(|(&found, &one)| found == f64::from(one)), "{threads}");
        }
    }
}

/// Three blocks of terms that cancel but for what their sums round off, the last bits of every block: other parts than
/// whole blocks would show.
#[test]
fn threads_get_whole_blocks() {
    let room = Room::new();
    let half: Vec<f32> =
        noise(6).take(Total::<f32>::BLOCK * 3 / 2).map(|x| (40.0 * x - 20.0).exp2() as f32).collect();
    let pred: Vec<f32> = half.iter().chain(half.iter().rev()).copied().collect();
    let weights: Vec<f32> =
        (0..pred.len()).map(|index| if index < half.len() { 1.0 } else { -1.0 }).collect();
    let target = vec![0.0; pred.len()];
    room.put_f32("p.npy", &pred);
    room.put_f32("t.npy", &target);
    room.put_f32("w.npy", &weights);
    let sum = Huber { delta: 100.0 }.batch(&pred, &target).weights(&weights).sum().unwrap();
    assert!(sum != 0.0);
    for threads in 1..5 {
        let run = "eval huber --delta 100 --pred p.npy --target t.npy --weights w.npy --reduction sum";
        let report = room.json(&format!("{run} --threads {threads}"));
        assert_eq!(report["bits"], format!("{:#010x}", sum.to_bits()), "{threads}");
    }
}

#[test]
fn levels_of_one_rounding_give_the_same_bits() {
    let room = Room::new();
    let pred: Vec<f64> = noise(4).map(|x| x * 60.0 - 30.0).collect();
    let target: Vec<f64> = noise(5).collect();
    room.put_f64("p.npy", &pred);
    room.put_f64("t.npy", &target);
    room.put_f32("p4.npy", &pred.iter().map(|&x| x as f32).collect::<Vec<_>>());

    let mut seen = Vec::<(&str, Rounding, String, Vec<u8>)>::new();
    for level in Level::available() {
        for pred in ["p.npy", "p4.npy"] {
            let run = "eval bce-with-logits --target t.npy --grad g.npy --threads 2";
            let report = room.json(&format!("{run} --pred {pred} --level {level}"));
            assert_eq!(report["level"], level.name());
            assert_eq!(report["rounding"], level.rounding().to_string());
            let (bits, grad) = (report["bits"].as_str().unwrap().to_owned(), room.get("g.npy"));
            for (_, _, other_bits, other_grad) in
                seen.iter().filter(|(other, rounding, ..)| *other == pred && *rounding == level.rounding())
            {
                assert_eq!(*other_bits, bits, "{level}");
                assert!(*other_grad == grad, "{level}");
            }
            seen.push((pred, level.rounding(), bits, grad));
        }
    }
    let loss = BceWithLogits::default().batch(&pred, &target).mean().unwrap();
    let report = room.json("eval bce-with-logits --pred p.npy --target t.npy --level auto");
    assert_eq!(report["bits"], format!("{:#018x}", loss.to_bits()));
    assert_eq!(report["level"], Level::detect().name());
}
