//! Losses over probabilities and over rows of classes: options, labels, shapes, weights.

mod common;

use common::{Room, bytes_f32, npy};
use serde_json::{Value, json};

fn near(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap_or_else(|| panic!("{found} is no number"));
    assert!((found - expected).abs() <= 1e-14 * (1.0 + expected.abs()), "{found} is not {expected}");
}

fn f64s(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[test]
fn policies_of_binary_cross_entropy() {
    let room = Room::new();
    room.put_f64("p.npy", &[0.25, 1.0, 0.0, 0.5]);
    room.put_f64("t.npy", &[1.0, 0.0, 0.0, 0.5]);
    let run = "eval bce --pred p.npy --target t.npy --reduction sum --grad g.npy";
    let rest = 4_f64.ln() + 2_f64.ln();
    // The default is PyTorch's, with slope 0 where the logarithm is clamped.
    for policy in ["", "--policy clamp"] {
        let report = room.json(&format!("{run} {policy}"));
        assert_eq!(report["loss"], "bce");
        near(&report["value"], 100.0 + rest);
        assert_eq!(room.floats("g.npy", "<f8", "(4,)"), [-4.0, 0.0, 1.0, 0.0]);
    }
    assert_eq!(room.json(&format!("{run} --policy exact"))["value"], "inf");
    assert_eq!(room.floats("g.npy", "<f8", "(4,)"), [-4.0, f64::INFINITY, 1.0, 0.0]);
    near(&room.json(&format!("{run} --policy eps --eps 0.125"))["value"], 8_f64.ln() + rest - 0.875_f64.ln());
    assert_eq!(room.floats("g.npy", "<f8", "(4,)"), [-4.0, 0.0, 0.0, 0.0]);
    // 1 - eps is a number of the precision: what is left of 1 is not quite eps.
    let left = 1.0 - (1.0 - 1e-7);
    near(&room.json(&format!("{run} --policy eps"))["value"], rest - f64::ln(left) - (-1e-7_f64).ln_1p());
}

#[test]
fn forms_of_the_divergence() {
    let room = Room::new();
    let (p, y) = ([0.25_f64, 0.5, 0.25, 0.0], [0.5_f64, 0.5, 0.0, 0.0]);
    let put = |name, values: [f64; 4]| room.put(name, &npy("<f8", "(2, 2)", &f64s(&values)));
    put("p.npy", p);
    put("y.npy", y);
    put("lp.npy", p.map(f64::ln));
    put("ly.npy", y.map(f64::ln));
    let divergence = 0.5 * 2_f64.ln();
    for (form, slopes) in [
        ("--pred lp.npy --target y.npy", [-0.5, -0.5, 0.0, 0.0]),
        ("--pred lp.npy --target ly.npy --log-target", [-0.5, -0.5, 0.0, 0.0]),
        ("--pred p.npy --target y.npy --pred-probabilities", [-2.0, -1.0, 0.0, 0.0]),
        ("--pred p.npy --target ly.npy --pred-probabilities --log-target", [-2.0, -1.0, 0.0, 0.0]),
    ] {
        for (reduction, divisor) in [("sum", 1.0), ("mean", 4.0), ("batch-mean", 2.0)] {
            let report =
                room.json(&format!("eval kl-divergence {form} --reduction {reduction} --grad g.npy"));
            near(&report["value"], divergence / divisor);
            let found = room.floats("g.npy", "<f8", "(2, 2)");
            assert!(found.iter().zip(slopes).all(|(found, slope)| (found - slope / divisor).abs() < 1e-15));
        }
        // p sums to 1 and so does y: what is added sums to 0.
        let run = format!("eval kl-divergence {form} --generalized --reduction sum --each e.npy");
        near(&room.json(&run)["value"], divergence);
        assert!(room.floats("e.npy", "<f8", "(2, 2)").iter().all(|&term| term >= 0.0));
        near(
            &room.json(&run.replace("kl-divergence", "generalized-kl").replace(" --generalized", ""))["value"],
            divergence,
        );
    }
}

/// Two rows of three classes, in either precision.
fn rows() -> Room {
    let room = Room::new();
    let p = [0.5, 0.25, 0.25, 0.125, 0.125, 0.75];
    room.put("p.npy", &npy("<f8", "(2, 3)", &f64s(&p)));
    room.put("p4.npy", &npy("<f4", "(2, 3)", &bytes_f32(&p.map(|p| p as f32))));
    room.put("hot.npy", &npy("<f8", "(2, 3)", &f64s(&[0.0, 1.0, 0.0, 1.0, 0.0, 0.0])));
    room.put("soft.npy", &npy("<f4", "(2, 3)", &bytes_f32(&[0.5, 0.5, 0.0, 0.0, 0.0, 1.0])));
    room.put_f32("w.npy", &[3.0, 1.0]);
    for (name, descr, bytes) in [
        ("u1.npy", "|u1", vec![1, 0]),
        ("u2.npy", "<u2", vec![1, 0, 0, 0]),
        ("u4.npy", "<u4", vec![1, 0, 0, 0, 0, 0, 0, 0]),
        ("i4.npy", "<i4", vec![1, 0, 0, 0, 0, 0, 0, 0]),
        ("i8.npy", "<i8", [1_i64, 0].map(i64::to_le_bytes).concat()),
    ] {
        room.put(name, &npy(descr, "(2,)", &bytes));
    }
    room
}

#[test]
fn labels_stand_for_rows_of_0_and_1() {
    let room = rows();
    let run = "eval categorical-cross-entropy --pred p.npy --grad g.npy --each e.npy --target";
    for target in ["hot.npy", "u1.npy", "u2.npy", "u4.npy", "i4.npy", "i8.npy"] {
        for level in ["auto", "scalar", "portable"] {
            let report = room.json(&format!("{run} {target} --level {level}"));
            near(&report["value"], 5.0 * 2_f64.ln() / 2.0);
            assert_eq!((&report["count"], &report["weight"]), (&json!(2), &json!(2)));
            assert_eq!(room.floats("g.npy", "<f8", "(2, 3)"), [0.0, -2.0, 0.0, -4.0, 0.0, 0.0]);
            let each = room.floats("e.npy", "<f8", "(2,)");
            assert_eq!(each, [4_f64.ln(), 8_f64.ln()], "{target}");
        }
    }
    let single = room.json("eval categorical-cross-entropy --pred p4.npy --target u1.npy --reduction sum");
    assert_eq!(single["dtype"], "f32");
    let text = room.text("eval categorical-cross-entropy --pred p4.npy --target u1.npy");
    assert!(text.contains("2 rows of f32"), "{text}");
}

#[test]
fn reductions_and_weights_of_rows() {
    let room = rows();
    let (first, second) = (1.5 * 2_f64.ln(), -0.75_f64.ln());
    let run = "eval categorical-cross-entropy --pred p.npy --target soft.npy --grad g.npy --each e.npy";
    for (options, value, divisor, weights) in [
        ("--reduction sum", first + second, 1.0, [1.0, 1.0]),
        ("--reduction mean", (first + second) / 2.0, 2.0, [1.0, 1.0]),
        ("--reduction batch-mean", (first + second) / 2.0, 2.0, [1.0, 1.0]),
        ("--weights w.npy", (3.0 * first + second) / 2.0, 2.0, [3.0, 1.0]),
        ("--weights w.npy --reduction weighted-mean", (3.0 * first + second) / 4.0, 4.0, [3.0, 1.0]),
    ] {
        for threads in [1, 3] {
            let report = room.json(&format!("{run} {options} --threads {threads}"));
            near(&report["value"], value);
            assert_eq!(report["weight"].as_f64(), Some(weights.iter().sum::<f64>()));
            let grad = room.floats("g.npy", "<f8", "(2, 3)");
            let slopes = [-1.0, -2.0, 0.0, 0.0, 0.0, -4.0 / 3.0];
            for (i, (found, slope)) in grad.iter().zip(slopes).enumerate() {
                assert!((found - slope * weights[i / 3] / divisor).abs() < 1e-15, "{options}: {found}");
            }
            let each = room.floats("e.npy", "<f8", "(2,)");
            assert!((each[0] - weights[0] * first).abs() < 1e-14);
        }
    }
    assert!(room.json(&format!("{run} --reduction none"))["value"].is_null());
}

/// More axes are more rows, and one axis is one row.
#[test]
fn the_last_axis_holds_the_classes() {
    let room = Room::new();
    let p = [0.5, 0.5, 0.25, 0.75, 1.0, 0.0, 0.5, 0.5];
    for (shape, of_rows, labels) in
        [("(2, 2, 2)", "(2, 2)", 4), ("(8,)", "()", 1), ("(1, 4, 2)", "(1, 4)", 4)]
    {
        room.put("p.npy", &npy("<f8", shape, &f64s(&p)));
        room.put("l.npy", &npy("|u1", of_rows, &vec![0; labels]));
        let run = "eval categorical-cross-entropy --pred p.npy --target l.npy --each e.npy --reduction";
        let count = labels as f64;
        let sum = room.json(&format!("{run} sum"))["value"].as_f64().unwrap();
        near(&room.json(&format!("{run} mean"))["value"], sum / count);
        let first = if shape == "(2, 2, 2)" { 2.0 } else { 1.0 };
        near(&room.json(&format!("{run} batch-mean"))["value"], sum / first);
        assert_eq!(room.floats("e.npy", "<f8", of_rows).len(), labels);
    }
}

/// The first error by its kind and place, however the rows are shared out.
#[test]
fn errors_do_not_depend_on_threads() {
    let room = Room::new();
    let mut p = vec![0.5_f32; 400];
    p[390] = 1.5;
    let mut labels = [0_u8; 200];
    labels[150] = 9;
    let mut weights = [1.0_f32; 200];
    weights[3] = f32::NAN;
    room.put("p.npy", &npy("<f4", "(200, 2)", &bytes_f32(&p)));
    room.put("l.npy", &npy("|u1", "(200,)", &labels));
    room.put("good.npy", &npy("|u1", "(200,)", &[0; 200]));
    room.put_f32("w.npy", &weights);
    for threads in 1..8 {
        for (inputs, expected) in [
            ("--target l.npy --weights w.npy", "labels[150] is 9"),
            ("--target good.npy --weights w.npy", "weights[3] is NaN"),
            ("--target good.npy", "pred[390] is 1.5"),
        ] {
            let run = format!("eval categorical-cross-entropy --pred p.npy {inputs} --threads {threads}");
            let errors = String::from_utf8(room.run(&run).stderr).unwrap();
            assert!(errors.contains(expected), "{threads}: {errors}");
        }
    }
}

/// The factor of a gradient that nobody asks for may be anything.
#[test]
fn tiny_class_weights_have_a_mean() {
    let room = Room::new();
    room.put("p.npy", &npy("<f4", "(1, 2)", &bytes_f32(&[-1.0, -2.0])));
    room.put("l.npy", &npy("|u1", "(1,)", &[0]));
    room.put_f32("w.npy", &[1e-44; 2]);
    let run = "eval nll --pred p.npy --target l.npy --class-weights w.npy";
    near(&room.json(run)["value"], 1.0);
    let errors = String::from_utf8(room.run(&format!("{run} --grad g.npy")).stderr).unwrap();
    assert!(errors.contains("is beyond any f32"), "{errors}");
}

#[test]
fn labels_that_nobody_asks_for_may_be_anything() {
    let room = Room::new();
    let labels = [1_u64, 1 << 63, 0, u64::MAX];
    room.put("z.npy", &npy("<f8", "(4, 2)", &f64s(&[0.0; 8])));
    room.put("labels.npy", &npy("<u8", "(4,)", &labels.map(u64::to_le_bytes).concat()));
    room.put_f64("w.npy", &[1.0, 0.0, 2.0, -0.0]);
    let run = "eval softmax-cross-entropy --pred z.npy --target labels.npy --weights w.npy --reduction sum --grad g.npy";
    near(&room.json(run)["value"], 3.0 * 2_f64.ln());
    assert_eq!(room.floats("g.npy", "<f8", "(4, 2)"), [0.5, -0.5, 0.0, 0.0, -1.0, 1.0, 0.0, 0.0]);
}
