//! Registers are worth it: what a lost `#[inline(always)]` would cost, measured against loops that cannot lose it.

mod common;

use common::Room;
use fused_loss::{AnyLoss, Level};
use serde_json::Value;

/// Nanoseconds an element of each loss, in the order of the list: the best of a few, since other work on the machine only
/// ever adds to a time.
fn times(level: &str) -> Vec<f64> {
    let mut best = vec![f64::INFINITY; AnyLoss::<f32>::list().count()];
    for _ in 0..3 {
        let text = Room::new().text(&format!("bench --json --len 8192 --level {level}"));
        for (best, line) in best.iter_mut().zip(text.lines()) {
            let row: Value = serde_json::from_str(line).unwrap();
            *best = best.min(row["ns_per_element"].as_f64().unwrap());
        }
    }
    best
}

#[test]
fn registers_are_worth_it() {
    if Level::find("avx2").is_none() {
        return;
    }
    let [fast, slow, plain] = ["avx2", "scalar", "reference"].map(times);
    for (place, loss) in AnyLoss::<f32>::list().enumerate() {
        let (name, fast, slow, plain) = (loss.name, fast[place], slow[place], plain[place]);
        println!("{name}: AVX2 {:.2} times the scalar level, {:.2} a plain loop", slow / fast, plain / fast);
        assert!(slow > 2.0 * fast, "{name}: AVX2 takes {fast}, scalar {slow}");
        assert!(name != "bce-with-logits" || plain > 3.0 * fast, "AVX2 takes {fast}, a plain loop {plain}");
    }
}
