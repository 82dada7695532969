//! Malformed calls: each gets its own error and status 2, leaves nothing behind and harms nothing that was there.

mod common;

use std::fs;

use common::{BadCall, Room, bytes_f32, check_refused, npy, npy_of};
use fused_loss::Level;

/// `P` stands for `--pred p.npy --target p.npy`.
#[rustfmt::skip]
const FILES: &[BadCall] = &[
    ("missing", "eval mse --pred no.npy --target p.npy", "fused-loss: no.npy: No such file"),
    ("missing target", "eval mse --pred p.npy --target no.npy", "fused-loss: no.npy: No such file"),
    ("missing weights", "eval mse P --weights no.npy", "fused-loss: no.npy: No such file"),
    ("folder", "eval mse --pred folder --target p.npy", "fused-loss: folder: is a folder"),
    ("socket", "eval mse --pred socket --target p.npy", "fused-loss: socket: is not a regular file"),
    ("empty file", "eval mse --pred empty.npy --target p.npy", "empty.npy: is not an .npy file"),
    ("half a magic", "eval mse --pred magic3.npy --target p.npy", "magic3.npy: is not an .npy file"),
    ("wrong magic", "eval mse --pred text.npy --target p.npy", "text.npy: is not an .npy file"),
    ("no version", "eval mse --pred magic.npy --target p.npy", "magic.npy: is cut short in its header"),
    ("version 4", "eval mse --pred version4.npy --target p.npy", "version4.npy: is of .npy format 4.0"),
    ("version 1.7", "eval mse --pred version17.npy --target p.npy", "version17.npy: is of .npy format 1.7"),
    ("cut at 9", "eval mse --pred cut9.npy --target p.npy", "cut9.npy: is cut short in its header"),
    ("cut at 40", "eval mse --pred cut40.npy --target p.npy", "cut40.npy: is cut short in its header"),
    ("header of 4 GB", "eval mse --pred longhead.npy --target p.npy", "4294967295 bytes wanted"),
    ("no data", "eval mse --pred cut64.npy --target p.npy", "cut64.npy: is cut short: shape (3,) of f4 is 12 bytes"),
    ("data cut short", "eval mse --pred p.npy --target cut139.npy", "is 12 bytes, the file has 11"),
    ("bytes left over", "eval mse --pred left.npy --target p.npy", "left.npy: has bytes left over"),
    ("Fortran", "eval mse --pred fortran.npy --target p.npy", "fortran.npy: is in Fortran order"),
    ("big-endian", "eval mse --pred big.npy --target p.npy", "big.npy: has big-endian dtype \">f4\""),
    ("structured", "eval mse --pred struct.npy --target p.npy", "struct.npy: has a structured dtype"),
    ("half precision", "eval mse --pred f2.npy --target p.npy", "f2.npy: has dtype \"<f2\""),
    ("objects", "eval mse --pred object.npy --target p.npy", "object.npy: has dtype \"|O\""),
    ("integers", "eval mse --pred i4.npy --target p.npy", "i4.npy: has dtype i4, but must have f4 or f8"),
    ("integer target", "eval mse --pred p.npy --target i4.npy", "i4.npy: has dtype i4, but must have f4 or f8"),
    ("integer weights", "eval mse P --weights i4.npy", "i4.npy: has dtype i4, but must have f4 or f8"),
    ("shape of 10^18", "eval mse --pred absurd.npy --target p.npy", "absurd.npy: is cut short"),
    ("product overflows", "eval mse --pred overflow.npy --target p.npy", "overflow.npy: has a shape beyond any memory"),
    ("overflow beside 0", "eval mse --pred overflow0.npy --target p.npy", "overflow0.npy: has a shape beyond any memory"),
    ("length overflows", "eval mse --pred digits.npy --target p.npy", "digits.npy: has a shape beyond any memory"),
    ("65 dimensions", "eval mse --pred dims65.npy --target p.npy", "dims65.npy: has a shape of more than 64"),
    ("negative length", "eval mse --pred negative.npy --target p.npy", "negative.npy: has a header that is not understood"),
    ("no dict", "eval mse --pred nodict.npy --target p.npy", "nodict.npy: has a header that is not understood"),
    ("open dict", "eval mse --pred open.npy --target p.npy", "open.npy: has a header that is not understood"),
    ("text after", "eval mse --pred after.npy --target p.npy", "after.npy: has a header that is not understood at \"import os"),
    ("no descr", "eval mse --pred nodescr.npy --target p.npy", "nodescr.npy: has a header without descr"),
    ("no order", "eval mse --pred noorder.npy --target p.npy", "noorder.npy: has a header without fortran_order"),
    ("no shape", "eval mse --pred noshape.npy --target p.npy", "noshape.npy: has a header without shape"),
    ("key twice", "eval mse --pred twice.npy --target p.npy", "twice.npy: has a header with the key \"descr\" twice"),
    ("unknown key", "eval mse --pred key.npy --target p.npy", "key.npy: has a header with the unknown key \"colour\""),
    ("not text", "eval mse --pred latin.npy --target p.npy", "latin.npy: has a header that is not text"),
    ("target's length", "eval mse --pred p.npy --target four.npy", "four.npy: has shape (4,) where p.npy has (3,)"),
    ("target's shape", "eval mse --pred p.npy --target row.npy", "row.npy: has shape (1, 3) where p.npy has (3,)"),
    ("weights' shape", "eval mse P --weights four.npy", "four.npy: has shape (4,) where p.npy has (3,)"),
    ("labels of elements", "eval bce --pred p.npy --target i4.npy", "i4.npy: has dtype i4, but must have f4 or f8"),
    ("too many labels", "eval categorical-cross-entropy --pred rows.npy --target i4.npy", "i4.npy: has shape (3,) where rows.npy has (2, 3), a row each; it must have (2,)"),
    ("targets of another shape", "eval categorical-cross-entropy --pred rows.npy --target p.npy", "p.npy: has shape (3,) where rows.npy has (2, 3)"),
    ("weights of elements", "eval categorical-cross-entropy --pred rows.npy --target labels.npy --weights rows.npy", "rows.npy: has shape (2, 3) where rows.npy has (2, 3), a row each; it must have (2,)"),
    ("no classes", "eval categorical-cross-entropy --pred none.npy --target none.npy", "none.npy: has shape (0,), but must hold rows of classes"),
    ("no axes", "eval categorical-cross-entropy --pred scalar.npy --target scalar.npy", "scalar.npy: has shape (), but must hold rows of classes"),
    ("labels cut short", "eval categorical-cross-entropy --pred rows.npy --target labels15.npy", "labels15.npy: is cut short"),
];

#[rustfmt::skip]
const VALUES: &[BadCall] = &[
    ("mean of nothing", "eval mse --pred none.npy --target none.npy", "fused-loss: mean of nothing"),
    ("batch mean of nothing", "eval mse --pred none.npy --target none.npy --reduction batch-mean", "fused-loss: mean of nothing"),
    ("weights of sum 0", "eval mse P --weights zero.npy --reduction weighted-mean", "fused-loss: mean of nothing"),
    ("weights of sum 0, gradient", "eval mse P --weights zero.npy --reduction weighted-mean --grad new.npy", "fused-loss: mean of nothing"),
    ("tiny sum of weights", "eval mse P --weights tiny.npy --reduction weighted-mean --grad new.npy", "the gradient's factor"),
    ("infinite weight", "eval mse P --weights inf.npy", "fused-loss: weights[1] is inf, but must be finite"),
    ("NaN weight", "eval mse P --weights nan.npy --reduction weighted-mean", "fused-loss: weights[2] is NaN, but must be finite"),
    ("target beyond 1", "eval bce-with-logits --pred p.npy --target over.npy", "fused-loss: target[1] is 1.5, outside"),
    ("target below 0", "eval bce-with-logits --pred p.npy --target under.npy --grad old.npy", "fused-loss: target[2] is -0.1, outside"),
    ("NaN target", "eval bce-with-logits --pred p.npy --target nan.npy", "fused-loss: target[2] is NaN, outside"),
    ("probability beyond 1", "eval bce --pred over.npy --target p.npy", "fused-loss: pred[1] is 1.5, outside"),
    ("probability beyond 1, each", "eval bce --policy exact --pred over.npy --target p.npy --each new.npy", "fused-loss: pred[1] is 1.5, outside"),
    ("probability below 0", "eval kl-divergence --pred-probabilities --pred under.npy --target p.npy", "fused-loss: pred[2] is -0.1, outside"),
    ("bce target beyond 1", "eval bce --pred p.npy --target over.npy --grad old.npy", "fused-loss: target[1] is 1.5, outside"),
    ("bce NaN target", "eval bce --pred p.npy --target nan.npy", "fused-loss: target[2] is NaN, outside"),
    ("kl target below 0", "eval kl-divergence --pred p.npy --target under.npy", "fused-loss: target[2] is -0.1, outside"),
    ("kl infinite target", "eval kl-divergence --pred p.npy --target inf.npy", "fused-loss: target[1] is inf, outside"),
    ("categorical probability", "eval categorical-cross-entropy --pred over.npy --target p.npy", "fused-loss: pred[1] is 1.5, outside"),
    ("categorical target", "eval categorical-cross-entropy --pred p.npy --target over.npy --grad new.npy", "fused-loss: target[1] is 1.5, outside"),
    ("label beyond the classes", "eval categorical-cross-entropy --pred rows.npy --target beyond.npy --grad old.npy", "fused-loss: labels[1] is 3, which is none of the 3 classes"),
    ("label below 0", "eval categorical-cross-entropy --pred rows.npy --target minus.npy", "fused-loss: labels[0] is -1, which is none of the 3 classes"),
    ("row's weight", "eval categorical-cross-entropy --pred rows.npy --target labels.npy --weights inf2.npy", "fused-loss: weights[1] is inf, but must be finite"),
    ("eps 0", "eval bce P --policy eps --eps 0", "fused-loss: --eps is 0.0, but must be"),
    ("eps 0.5", "eval bce P --policy eps --eps 0.5", "fused-loss: --eps is 0.5, but must be"),
    ("eps beneath f32", "eval bce P --policy eps --eps 1e-9", "fused-loss: --eps is 1e-9, but must be"),
    ("delta 0", "eval huber P --delta 0", "fused-loss: --delta is 0.0, but must be"),
    ("delta -1", "eval huber P --delta -1", "fused-loss: --delta is -1.0, but must be"),
    ("delta NaN", "eval huber P --delta nan", "fused-loss: --delta is NaN, but must be"),
    ("delta inf", "eval huber P --delta inf --grad old.npy", "fused-loss: --delta is inf, but must be"),
    ("delta beyond f32", "eval huber P --delta 1e39", "fused-loss: --delta is inf, but must be"),
    ("beta -0.5", "eval smooth-l1 P --beta -0.5", "fused-loss: --beta is -0.5, but must be"),
    ("pos-weight -2", "eval bce-with-logits P --pos-weight -2", "fused-loss: --pos-weight is -2.0, but must be"),
    ("scale inf", "eval mse P --scale inf", "fused-loss: --scale is inf, but must be finite"),
    ("scale -inf", "eval mse P --scale=-inf", "fused-loss: --scale is -inf, but must be finite"),
    ("scale NaN, nothing", "eval mse --pred none.npy --target none.npy --reduction sum --scale NaN", "--scale is NaN, but must be finite"),
];

#[rustfmt::skip]
const USAGE: &[BadCall] = &[
    ("nothing", "", "Usage: fused-loss <COMMAND>"),
    ("unknown command", "evil", "unrecognized subcommand 'evil'"),
    ("no loss", "eval P", "<LOSS>"),
    ("unknown loss", "eval mes P", "invalid value 'mes' for '<LOSS>'"),
    ("two losses", "eval mse mae P", "unexpected argument 'mae'"),
    ("no pred", "eval mse --target p.npy", "--pred <P.npy>"),
    ("no target", "eval mse --pred p.npy", "--target <T.npy>"),
    ("pred twice", "eval mse P --pred p.npy", "cannot be used multiple times"),
    ("unknown option", "eval mse P --gard new.npy", "unexpected argument '--gard'"),
    ("no file given", "eval mse P --grad", "a value is required for '--grad"),
    ("mse --delta", "eval mse P --delta 1", "the loss mse has no option --delta"),
    ("huber --beta", "eval huber P --beta 1", "the loss huber has no option --beta"),
    ("mae --half", "eval mae P --half", "the loss mae has no option --half"),
    ("mae --pos-weight", "eval mae P --pos-weight 1", "the loss mae has no option --pos-weight"),
    ("half-mse --half", "eval half-mse P --half", "the loss half-mse has no option --half"),
    ("unknown policy", "eval bce P --policy keras", "invalid value 'keras' for '--policy"),
    ("eps without its policy", "eval bce P --eps 1e-3", "--eps needs --policy eps"),
    ("eps of another policy", "eval bce P --policy clamp --eps 1e-3", "--eps needs --policy eps"),
    ("mse --policy", "eval mse P --policy eps", "the loss mse has no option --policy"),
    ("bce --log-target", "eval bce P --log-target", "the loss bce has no option --log-target"),
    ("mse --generalized", "eval mse P --generalized", "the loss mse has no option --generalized"),
    ("delta one", "eval huber P --delta one", "invalid value 'one' for '--delta"),
    ("scale two", "eval mse P --scale two", "invalid value 'two' for '--scale"),
    ("unknown reduction", "eval mse P --reduction median", "invalid value 'median' for '--reduction"),
    ("no weights", "eval mse P --reduction weighted-mean", "--weights <W.npy>"),
    ("unknown level", "eval mse P --level sse9", "invalid value 'sse9' for '--level"),
    ("0 threads", "eval mse P --threads 0", "invalid value '0' for '--threads"),
    ("-1 threads", "eval mse P --threads -1", "unexpected argument '-1'"),
    ("many threads", "eval mse P --threads 99999999999999999999", "for '--threads"),
    ("cpu mse", "cpu mse", "unexpected argument 'mse'"),
];

#[rustfmt::skip]
const OUTPUTS: &[BadCall] = &[
    ("to a folder", "eval mse P --grad folder", "fused-loss: folder: is a folder"),
    ("each to a folder", "eval mse P --grad old.npy --each folder", "fused-loss: folder: is a folder"),
    ("to a new folder", "eval mse P --grad new/", "fused-loss: new/: is not the name of a file"),
    ("to a missing folder", "eval mse P --grad no/new.npy", "fused-loss: no/new.npy: its folder: No such file"),
    ("each to a missing folder", "eval mse P --grad new.npy --each no/new.npy", "fused-loss: no/new.npy: its folder"),
    ("into a file", "eval mse P --grad p.npy/new.npy", "fused-loss: p.npy/new.npy: "),
    ("to a read-only file", "eval mse P --grad locked.npy", "fused-loss: locked.npy: is read-only"),
    ("to nothing", "eval mse P --grad .", "fused-loss: .: is a folder"),
    ("to a socket", "eval mse P --grad socket", "fused-loss: socket: is not a regular file"),
    ("to a place of the system", "eval mse P --grad /proc/new.npy", "fused-loss: /proc/new.npy: cannot be written"),
    ("both to one place", "eval mse P --grad new.npy --each new.npy", "new.npy and new.npy are the same file"),
    ("both to one place, spelt apart", "eval mse P --grad new.npy --each folder/../new.npy", "are the same file"),
    ("both over one file", "eval mse P --grad old.npy --each ./old.npy", "old.npy and ./old.npy are the same file"),
    ("both over one link", "eval mse P --grad old.npy --each link.npy", "are the same file"),
    ("outputs of a bad call", "eval mse --pred p.npy --target four.npy --grad old.npy --each new.npy", "four.npy: has shape"),
    ("outputs of a bad value", "eval mse P --weights inf.npy --grad old.npy --each new.npy", "weights[1] is inf"),
];

fn room() -> Room {
    let room = Room::new();
    let data = bytes_f32(&[1.0, 0.5, 0.0]);
    let good = npy("<f4", "(3,)", &data);
    assert_eq!(good.len(), 128 + 12);
    room.put("p.npy", &good);
    room.put_f32("four.npy", &[1.0; 4]);
    room.put("row.npy", &npy("<f4", "(1, 3)", &data));
    room.put("rows.npy", &npy("<f4", "(2, 3)", &bytes_f32(&[0.5, 0.5, 0.0, 0.25, 0.25, 0.5])));
    let labels = |labels: [i64; 2]| npy("<i8", "(2,)", labels.map(i64::to_le_bytes).as_flattened());
    room.put("labels.npy", &labels([0, 2]));
    room.put("labels15.npy", &labels([0, 2])[..128 + 15]);
    room.put("beyond.npy", &labels([0, 3]));
    room.put("minus.npy", &labels([-1, 0]));
    room.put("scalar.npy", &npy("<f4", "()", &bytes_f32(&[0.5])));
    room.put_f32("inf2.npy", &[1.0, f32::INFINITY]);
    room.put_f32("none.npy", &[]);
    room.put_f32("zero.npy", &[1.0, -1.0, 0.0]);
    room.put_f32("tiny.npy", &[1e-40, 0.0, 0.0]);
    room.put_f32("inf.npy", &[1.0, f32::INFINITY, f32::NAN]);
    room.put_f32("nan.npy", &[1.0, 0.5, f32::NAN]);
    room.put_f32("over.npy", &[1.0, 1.5, -3.0]);
    room.put_f64("under.npy", &[1.0, 0.0, -0.1]);

    room.put("empty.npy", &[]);
    room.put("text.npy", b"pred,target\n1,2\n");
    for (name, length) in [("magic3.npy", 3), ("magic.npy", 6), ("cut9.npy", 9), ("cut40.npy", 40)] {
        room.put(name, &good[..length]);
    }
    room.put("cut64.npy", &good[..128]);
    room.put("cut139.npy", &good[..139]);
    room.put("left.npy", &[&good[..], &[0]].concat());
    for (name, version) in [("version4.npy", [4, 0]), ("version17.npy", [1, 7])] {
        room.put(name, &[&good[..6], &version, &good[8..]].concat());
    }
    let long = [&good[..6], &[2, 0], &[0xff; 4], &good[10..]].concat();
    room.put("longhead.npy", &long);
    room.put(
        "latin.npy",
        &good.iter().map(|&byte| if byte == b'd' { 0xe9 } else { byte }).collect::<Vec<_>>(),
    );

    for (name, descr) in [("big.npy", ">f4"), ("f2.npy", "<f2"), ("object.npy", "|O"), ("i4.npy", "<i4")] {
        room.put(name, &npy(descr, "(3,)", &data));
    }
    let dims = format!("({})", "1, ".repeat(65));
    for (name, shape) in [
        ("absurd.npy", "(1000000000000000000,)"),
        ("overflow.npy", "(4294967296, 4294967296)"),
        ("overflow0.npy", "(4294967296, 0, 4294967296)"),
        ("digits.npy", "(99999999999999999999999,)"),
        ("dims65.npy", &dims),
        ("negative.npy", "(-3,)"),
    ] {
        room.put(name, &npy("<f4", shape, &data));
    }
    for (name, dict) in [
        ("fortran.npy", "{'descr': '<f4', 'fortran_order': True, 'shape': (1, 3), }"),
        ("struct.npy", "{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (3,), }"),
        ("nodict.npy", "pred"),
        ("open.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (3,"),
        ("after.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} import os"),
        ("nodescr.npy", "{'fortran_order': False, 'shape': (3,)}"),
        ("noorder.npy", "{'descr': '<f4', 'shape': (3,)}"),
        ("noshape.npy", "{'descr': '<f4', 'fortran_order': False}"),
        ("twice.npy", "{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (3,)}"),
        ("key.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'colour': 3}"),
    ] {
        room.put(name, &npy_of(1, dict, &data));
    }

    fs::create_dir(room.path().join("folder")).unwrap();
    room.put("old.npy", b"what was there");
    room.put("locked.npy", b"locked");
    let locked = room.path().join("locked.npy");
    let mut permissions = fs::metadata(&locked).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(locked, permissions).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("old.npy", room.path().join("link.npy")).unwrap();
        // For what is no regular file. A device of the system would be lost, if the command were wrong.
        std::os::unix::net::UnixListener::bind(room.path().join("socket")).unwrap();
    }
    room
}

fn check(calls: &[BadCall]) {
    check_refused(&room(), calls, ('P', "--pred p.npy --target p.npy"));
}

#[cfg(target_os = "linux")] // for what the system calls its errors and devices
#[test]
fn files() {
    check(FILES);
}

#[test]
fn values() {
    check(VALUES);
}

#[test]
fn usage() {
    check(USAGE);
}

#[cfg(target_os = "linux")]
#[test]
fn outputs() {
    check(OUTPUTS);
}

#[test]
fn a_level_that_is_missing_is_named_with_those_that_are_there() {
    let room = room();
    for level in ["scalar", "portable", "avx2", "avx512"] {
        let output = room.run(&format!("eval mse --pred p.npy --target p.npy --level {level}"));
        let errors = String::from_utf8(output.stderr).unwrap();
        if Level::find(level).is_some() {
            assert!(output.status.success(), "{errors}");
            continue;
        }
        let expected =
            format!("fused-loss: this CPU does not have the level {level}; it has scalar, portable");
        assert!(errors.starts_with(&expected), "{errors}");
        assert_eq!(output.status.code(), Some(2));
    }
}

#[test]
fn of_several_bad_values_the_first_is_named_whatever_the_threads() {
    let room = Room::new();
    let mut target = vec![0.5_f32; 80_000];
    room.put_f32("p.npy", &target);
    target[60_000] = 7.0;
    target[20_001] = -2.0;
    room.put_f32("t.npy", &target);
    for threads in 1..7 {
        let args = "eval bce-with-logits --pred p.npy --target t.npy --grad g.npy --threads";
        let output = room.run(&format!("{args} {threads}"));
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.starts_with("fused-loss: target[20001] is -2, outside"), "{errors}");
        assert_eq!(room.everything().len(), 2);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_error_is_one_line_whatever_a_name_holds() {
    let room = Room::new();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_fused-loss"));
    command.current_dir(room.path()).args([
        "eval",
        "mse",
        "--target",
        "t.npy",
        "--pred",
        "a\nb\u{1b}[31m.npy",
    ]);
    let errors = String::from_utf8(command.output().unwrap().stderr).unwrap();
    assert!(errors.starts_with("fused-loss: a\\nb\\u{1b}[31m.npy: No such file"), "{errors}");
    assert_eq!(errors.lines().count(), 1);
    // A name that fits the folder's rules for no file: known before any work.
    room.put_f32("p.npy", &[1.0]);
    let output = room.run(&format!("eval mse --pred p.npy --target p.npy --grad {}", "n".repeat(300)));
    assert!(String::from_utf8(output.stderr).unwrap().contains("File name too long"));
    assert_eq!((output.status.code(), room.everything().len()), (Some(2), 1));
}
