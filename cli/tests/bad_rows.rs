//! Malformed calls of losses over rows of classes.

mod common;

use common::{BadCall, Room, bytes_f32, check_refused, npy};

/// `R` stands for `--pred rows.npy --target labels.npy`.
#[rustfmt::skip]
const FILES: &[BadCall] = &[
    ("no rows", "eval nll --pred scalar.npy --target scalar.npy", "fused-loss: scalar.npy: has shape (), but must hold rows of classes"),
    ("no classes", "eval softmax-kl --pred none.npy --target none.npy", "fused-loss: none.npy: has shape (0,), but must hold rows of classes"),
    ("labels of another length", "eval nll --pred rows.npy --target bytes.npy", "bytes.npy: has shape (3,) where rows.npy has (2, 3), a row each; it must have (2,)"),
    ("labels for each class", "eval softmax-cross-entropy --pred rows.npy --target wide.npy", "wide.npy: has shape (2, 3) where rows.npy has (2, 3), a row each; it must have (2,)"),
    ("targets of another shape", "eval jensen-shannon --pred rows.npy --target three.npy", "fused-loss: three.npy: has shape (3,) where rows.npy has (2, 3)"),
    ("weights for each logit", "eval softmax-cross-entropy R --weights rows.npy", "rows.npy: has shape (2, 3) where rows.npy has (2, 3), a row each; it must have (2,)"),
    ("class weights of another length", "eval nll R --class-weights two.npy", "fused-loss: two.npy: has shape (2,) where rows.npy has (2, 3), a class each; it must have (3,)"),
    ("class weights for each logit", "eval softmax-cross-entropy R --class-weights rows.npy", "rows.npy: has shape (2, 3) where rows.npy has (2, 3), a class each; it must have (3,)"),
    ("integer class weights", "eval nll R --class-weights labels.npy", "fused-loss: labels.npy: has dtype i8, but must have f4 or f8"),
    ("missing class weights", "eval nll R --class-weights no.npy", "fused-loss: no.npy: No such file"),
    ("class weights of nothing", "eval nll R --class-weights text.npy", "text.npy: is not an .npy file"),
    ("lse to a folder", "eval softmax-cross-entropy R --lse folder", "fused-loss: folder: is a folder"),
    ("lse to a missing folder", "eval softmax-cross-entropy R --grad new.npy --lse no/new.npy", "no/new.npy: its folder: No such file"),
    ("lse and grad in one place", "eval softmax-kl R --grad new.npy --lse ./new.npy", "new.npy and ./new.npy are the same file"),
    ("hits over lse", "eval softmax-kl R --lse old.npy --hits old.npy", "old.npy and old.npy are the same file"),
    ("hits to a missing folder", "eval jensen-shannon R --hits no/new.npy", "no/new.npy: its folder: No such file"),
];

#[rustfmt::skip]
const VALUES: &[BadCall] = &[
    ("label beyond the classes", "eval softmax-cross-entropy --pred rows.npy --target beyond.npy --lse new.npy", "fused-loss: labels[1] is 3, which is none of the 3 classes, counted from 0"),
    ("label beyond, nll", "eval nll --pred rows.npy --target beyond.npy --grad old.npy", "fused-loss: labels[1] is 3, which is none"),
    ("label below 0", "eval softmax-kl --pred rows.npy --target left_out.npy --hits new.npy", "fused-loss: labels[0] is -100, which is none"),
    ("another ignored label", "eval nll --pred rows.npy --target left_out.npy --ignore-index -1", "fused-loss: labels[0] is -100, which is none"),
    ("label of 64 bits", "eval nll --pred rows.npy --target huge.npy", "fused-loss: huge.npy: label 9223372036854775808 at index 1 is beyond any class"),
    ("label of 64 bits behind another bad one", "eval nll --pred rows.npy --target both.npy", "fused-loss: labels[0] is 7, which is none of the 3 classes"),
    ("all rows left out", "eval softmax-cross-entropy --pred rows.npy --target left_out.npy", "fused-loss: mean of nothing"),
    ("all rows left out, gradient", "eval nll --pred rows.npy --target left_out.npy --grad old.npy", "fused-loss: mean of nothing"),
    ("class weights of sum 0", "eval softmax-cross-entropy R --class-weights zeros.npy --grad old.npy", "fused-loss: mean of nothing"),
    ("infinite class weight", "eval softmax-cross-entropy R --class-weights inf.npy", "fused-loss: class_weights[1] is inf, but must be finite"),
    ("infinite class weight, threads", "eval nll R --class-weights inf.npy --threads 2 --reduction sum", "fused-loss: class_weights[1] is inf, but must be finite"),
    ("NaN weight of a row", "eval softmax-cross-entropy R --weights nan.npy --lse new.npy", "fused-loss: weights[1] is NaN, but must be finite"),
    ("target below 0", "eval softmax-cross-entropy --pred rows.npy --target under.npy --lse old.npy", "fused-loss: target[3] is -0.25, outside"),
    ("target below 0, nll", "eval nll --pred rows.npy --target under.npy", "fused-loss: target[3] is -0.25, outside"),
    ("target below 0, divergence", "eval softmax-kl --pred rows.npy --target under.npy", "fused-loss: target[3] is -0.25, outside"),
    ("smoothing beyond 1", "eval softmax-cross-entropy R --label-smoothing 1.5", "fused-loss: --label-smoothing is 1.5, but must be from 0 to 1"),
    ("smoothing below 0", "eval softmax-cross-entropy R --label-smoothing -0.1", "fused-loss: --label-smoothing is -0.1, but must be from 0 to 1"),
    ("smoothing NaN", "eval softmax-cross-entropy R --label-smoothing nan --smoothing-over-others", "fused-loss: --label-smoothing is NaN, but must be from 0 to 1"),
    ("z-loss -1", "eval softmax-cross-entropy R --z-loss -1", "fused-loss: --z-loss is -1.0, but must be finite and not negative"),
    ("z-loss inf", "eval softmax-cross-entropy R --z-loss inf", "fused-loss: --z-loss is inf, but must be finite and not negative"),
    ("soft cap 0", "eval softmax-cross-entropy R --soft-cap 0", "fused-loss: --soft-cap is 0.0, but must be from 2^-60 to 2^60"),
    ("soft cap NaN", "eval softmax-cross-entropy R --soft-cap nan", "fused-loss: --soft-cap is NaN, but must be from 2^-60 to 2^60"),
    ("soft cap inf", "eval softmax-cross-entropy R --soft-cap inf --grad old.npy", "fused-loss: --soft-cap is inf, but must be from 2^-60 to 2^60"),
    ("temperature 0", "eval softmax-kl R --temperature 0", "fused-loss: --temperature is 0.0, but must be from 2^-60 to 2^60"),
    ("temperature -1", "eval jensen-shannon R --temperature -1", "fused-loss: --temperature is -1.0, but must be from 2^-60 to 2^60"),
    ("beta 0", "eval jensen-shannon R --beta 0", "fused-loss: --beta is 0.0, but must be above 0 and below 1"),
    ("beta 1", "eval jensen-shannon R --beta 1", "fused-loss: --beta is 1.0, but must be above 0 and below 1"),
];

#[rustfmt::skip]
const USAGE: &[BadCall] = &[
    ("nll --lse", "eval nll R --lse new.npy", "the loss nll has no option --lse"),
    ("nll --hits", "eval nll R --hits new.npy", "the loss nll has no option --hits"),
    ("nll --label-smoothing", "eval nll R --label-smoothing 0.1", "the loss nll has no option --label-smoothing"),
    ("mse --class-weights", "eval mse R --class-weights three.npy", "the loss mse has no option --class-weights"),
    ("softmax-kl --class-weights", "eval softmax-kl R --class-weights three.npy", "the loss softmax-kl has no option --class-weights"),
    ("softmax-kl --ignore-index", "eval softmax-kl R --ignore-index 1", "the loss softmax-kl has no option --ignore-index"),
    ("softmax-kl --beta", "eval softmax-kl R --beta 0.5", "the loss softmax-kl has no option --beta"),
    ("jensen-shannon --soft-cap", "eval jensen-shannon R --soft-cap 5", "the loss jensen-shannon has no option --soft-cap"),
    ("softmax-cross-entropy --targets", "eval softmax-cross-entropy R --targets logits", "the loss softmax-cross-entropy has no option --targets"),
    ("categorical --ignore-index", "eval categorical-cross-entropy R --ignore-index 1", "the loss categorical-cross-entropy has no option --ignore-index"),
    ("categorical --lse", "eval categorical-cross-entropy R --lse new.npy", "the loss categorical-cross-entropy has no option --lse"),
    ("unknown targets", "eval softmax-kl R --targets odds", "invalid value 'odds' for '--targets"),
    ("half a label", "eval nll R --ignore-index 1.5", "invalid value '1.5' for '--ignore-index"),
    ("a label of 65 bits", "eval nll R --ignore-index 9223372036854775808", "invalid value '9223372036854775808' for '--ignore-index"),
    ("others of nothing", "eval softmax-cross-entropy R --smoothing-over-others", "--smoothing-over-others needs --label-smoothing"),
    ("no weights", "eval softmax-cross-entropy R --reduction weighted-mean --class-weights three.npy", "--weights <W.npy>"),
    ("no class weights", "eval nll R --class-weights", "a value is required for '--class-weights"),
    ("soft-cap none", "eval softmax-cross-entropy R --soft-cap none", "invalid value 'none' for '--soft-cap"),
];

fn room() -> Room {
    let room = Room::new();
    let labels = |labels: [i64; 2]| npy("<i8", "(2,)", labels.map(i64::to_le_bytes).as_flattened());
    room.put("rows.npy", &npy("<f4", "(2, 3)", &bytes_f32(&[0.5, 0.5, 0.0, 0.25, 0.25, 0.5])));
    room.put("under.npy", &npy("<f4", "(2, 3)", &bytes_f32(&[0.5, 0.5, 0.0, -0.25, -1.0, 0.5])));
    room.put("bytes.npy", &npy("|u1", "(3,)", &[0; 3]));
    room.put("wide.npy", &npy("|u1", "(2, 3)", &[0; 6]));
    room.put("labels.npy", &labels([0, 2]));
    room.put("beyond.npy", &labels([0, 3]));
    room.put("left_out.npy", &labels([-100, -100]));
    room.put("both.npy", &npy("<u8", "(2,)", &[7, 1 << 63].map(u64::to_le_bytes).concat()));
    room.put("huge.npy", &npy("<u8", "(2,)", &[0, 1 << 63].map(u64::to_le_bytes).concat()));
    room.put("scalar.npy", &npy("<f4", "()", &bytes_f32(&[0.5])));
    room.put_f32("none.npy", &[]);
    room.put_f32("two.npy", &[1.0; 2]);
    room.put_f32("three.npy", &[1.0; 3]);
    room.put_f32("zeros.npy", &[0.0; 3]);
    room.put_f32("inf.npy", &[1.0, f32::INFINITY, f32::NAN]);
    room.put_f64("nan.npy", &[1.0, f64::NAN]);
    room.put("text.npy", b"1,2,3\n");
    room.put("old.npy", b"what was there");
    std::fs::create_dir(room.path().join("folder")).unwrap();
    room
}

#[cfg(target_os = "linux")] // for what the system calls its errors
#[test]
fn files() {
    check_refused(&room(), FILES, ('R', "--pred rows.npy --target labels.npy"));
}

#[test]
fn values() {
    check_refused(&room(), VALUES, ('R', "--pred rows.npy --target labels.npy"));
}

#[test]
fn usage() {
    check_refused(&room(), USAGE, ('R', "--pred rows.npy --target labels.npy"));
}
