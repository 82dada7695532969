//! `eval`: values, reductions, outputs, the report.

mod common;

use common::{Room, bytes_f32, npy, npy_of};
use serde_json::json;

const INF: f32 = f32::INFINITY;

/// pred - target = 0.5, -3, 0 and 2.
fn residuals() -> Room {
    let room = Room::new();
    room.put_f32("p.npy", &[1.5, -1.0, 4.0, 2.0]);
    room.put_f32("t.npy", &[1.0, 2.0, 4.0, 0.0]);
    room.put_f64("p8.npy", &[1.5, -1.0, 4.0, 2.0]);
    room.put_f64("t8.npy", &[1.0, 2.0, 4.0, 0.0]);
    room
}

#[test]
fn losses_and_gradients_known_by_hand() {
    let room = residuals();
    let cases: &[(&str, &str, f64, [f64; 4])] = &[
        ("mse", "mse", 13.25, [1.0, -6.0, 0.0, 4.0]),
        ("mse --half", "mse", 6.625, [0.5, -3.0, 0.0, 2.0]),
        ("half-mse", "half-mse", 6.625, [0.5, -3.0, 0.0, 2.0]),
        ("mae", "mae", 5.5, [1.0, -1.0, 0.0, 1.0]),
        ("huber", "huber", 0.125 + 2.5 + 1.5, [0.5, -1.0, 0.0, 1.0]),
        ("huber --delta 2", "huber", 0.125 + 4.0 + 2.0, [0.5, -2.0, 0.0, 2.0]),
        ("smooth-l1", "smooth-l1", 0.125 + 2.5 + 1.5, [0.5, -1.0, 0.0, 1.0]),
        ("smooth-l1 --beta 2", "smooth-l1", 0.0625 + 2.0 + 1.0, [0.25, -1.0, 0.0, 1.0]),
        ("smooth-l1 --beta=0", "smooth-l1", 5.5, [1.0, -1.0, 0.0, 1.0]),
    ];
    for &(loss, name, sum, slopes) in cases {
        for (descr, dtype, inputs) in
            [("<f4", "f32", "--pred p.npy --target t.npy"), ("<f8", "f64", "--pred p8.npy --target t8.npy")]
        {
            let report =
                room.json(&format!("eval {loss} {inputs} --reduction sum --grad g.npy --each e.npy"));
            assert_eq!(report["loss"], name);
            assert_eq!(report["dtype"], dtype);
            assert_eq!(report["value"], sum, "{loss} {dtype}");
            assert_eq!(room.floats("g.npy", descr, "(4,)"), slopes, "{loss} {dtype}");
            let each = room.floats("e.npy", descr, "(4,)");
            assert_eq!(each.iter().sum::<f64>(), sum, "{loss} {dtype}");
        }
    }
}

#[test]
fn logits() {
    let room = Room::new();
    room.put_f64("p.npy", &[0.0, 2.0, -800.0]);
    room.put_f64("t.npy", &[0.5, 1.0, 0.0]);
    let run = "eval bce-with-logits --pred p.npy --target t.npy --reduction sum --grad g.npy";
    let near = |found: f64, expected: f64| assert!((found - expected).abs() <= 1e-15, "{found} {expected}");
    near(room.json(run)["value"].as_f64().unwrap(), 2_f64.ln() + (-2_f64).exp().ln_1p());
    let slopes = room.floats("g.npy", "<f8", "(3,)");
    near(slopes[0], 0.0);
    near(slopes[1], -1.0 / (1.0 + 2_f64.exp()));
    let weighted = room.json(&format!("{run} --pos-weight 3"));
    near(weighted["value"].as_f64().unwrap(), 2.0 * 2_f64.ln() + 3.0 * (-2_f64).exp().ln_1p());
}

#[test]
fn reductions_weights_and_scale() {
    let room = residuals();
    room.put_f32("w.npy", &[2.0, 1.0, 5.0, 0.0]);
    // Weight 0 masks even an infinity.
    room.put_f32("p.npy", &[1.5, -1.0, 4.0, INF]);
    let run = "eval mse --pred p.npy --target t.npy --weights w.npy --grad g.npy --each e.npy --scale -4";
    let sum = 2.0 * 0.25 + 9.0;
    // The gradient of the sum is (2, -6, 0, 0).
    for (reduction, value, divisor) in [
        ("sum", Some(sum), 1.0),
        ("mean", Some(sum / 4.0), 4.0),
        ("batch-mean", Some(sum / 4.0), 4.0),
        ("weighted-mean", Some(sum / 8.0), 8.0),
        ("none", None, 1.0),
    ] {
        let report = room.json(&format!("{run} --reduction {reduction}"));
        assert_eq!(report["value"], json!(value), "{reduction}");
        assert_eq!((&report["count"], &report["weight"]), (&json!(4), &json!(8.0)));
        let slopes = [-8.0 / divisor, 24.0 / divisor, 0.0, 0.0];
        assert_eq!(room.floats("g.npy", "<f4", "(4,)"), slopes, "{reduction}");
        assert_eq!(room.floats("e.npy", "<f4", "(4,)"), [0.5, 9.0, 0.0, 0.0]);
    }
    let default = room.json("eval mse --pred p8.npy --target t8.npy");
    assert_eq!(default["value"], 13.25 / 4.0);
}

#[test]
fn batch_mean_divides_by_the_first_axis() {
    let room = Room::new();
    let put = |name, shape| room.put(name, &npy("<f4", shape, &bytes_f32(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])));
    for (shape, rows) in [("(2, 3)", 2.0), ("(3, 2)", 3.0), ("(6, 1, 1)", 6.0), ("(1, 6)", 1.0)] {
        put("p.npy", shape);
        room.put("t.npy", &npy("<f4", shape, &[0; 24]));
        let run = "eval mae --pred p.npy --target t.npy --reduction batch-mean --grad g.npy";
        assert_eq!(room.json(run)["value"], 21.0 / rows);
        let slope = f64::from(1.0 / rows as f32);
        assert_eq!(room.floats("g.npy", "<f4", shape), [slope; 6]);
    }
}

#[test]
fn no_dimensions_and_no_elements() {
    let room = Room::new();
    room.put("p.npy", &npy("<f4", "()", &bytes_f32(&[3.0])));
    room.put("t.npy", &npy("<f4", "()", &bytes_f32(&[1.0])));
    for reduction in ["sum", "mean", "batch-mean"] {
        let run = format!("eval mse --pred p.npy --target t.npy --grad g.npy --reduction {reduction}");
        assert_eq!(room.json(&run)["value"], 4.0);
        assert_eq!(room.floats("g.npy", "<f4", "()"), [4.0]);
    }
    for shape in ["(0,)", "(3, 0)", "(0, 5)"] {
        room.put("p.npy", &npy("<f8", shape, &[]));
        let run = "eval mse --pred p.npy --target p.npy --grad g.npy --each e.npy --threads 3 --reduction";
        let sum = room.json(&format!("{run} sum"));
        assert_eq!(
            (&sum["value"], &sum["bits"], &sum["count"]),
            (&json!(0.0), &json!("0x0000000000000000"), &json!(0))
        );
        assert!(
            room.floats("g.npy", "<f8", shape).is_empty() && room.floats("e.npy", "<f8", shape).is_empty()
        );
        assert!(room.json(&format!("{run} none"))["value"].is_null());
    }
}

#[test]
fn the_other_width_is_rounded() {
    let room = Room::new();
    room.put_f32("p.npy", &[0.0]);
    room.put_f64("t.npy", &[0.1]);
    let report = room.json("eval mae --pred p.npy --target t.npy --weights t.npy");
    assert_eq!(report["bits"], format!("{:#x}", (0.1_f32 * 0.1).to_bits()));
    let report = room.json("eval mae --pred t.npy --target p.npy --weights p.npy --reduction sum");
    assert_eq!((&report["dtype"], &report["value"]), (&json!("f64"), &json!(0.0)));
    assert_eq!(room.json("eval mae --pred t.npy --target p.npy")["value"], 0.1);
}

#[test]
fn the_report_is_exactly_this() {
    let room = Room::new();
    room.put_f32("p.npy", &[0.1]);
    room.put_f32("t.npy", &[0.0]);
    let text = room.text("eval mae --pred p.npy --target t.npy --level scalar --threads 2 --json");
    let (start, seconds) = text.split_once("\"seconds\":").unwrap();
    let expected = "{\"loss\":\"mae\",\"value\":0.1,\"bits\":\"0x3dcccccd\",\"count\":1,\"weight\":1,\
        \"dtype\":\"f32\",\"level\":\"scalar\",\"rounding\":\"unfused\",\"threads\":2,";
    assert_eq!(start, expected);
    assert!(seconds.trim_end().trim_end_matches('}').parse::<f64>().unwrap() >= 0.0);
    assert_eq!(text.lines().count(), 1);

    let none = room.json("eval mae --pred p.npy --target t.npy --reduction none");
    assert!(none["value"].is_null() && none["bits"].is_null());
    let text = room.text("eval mae --pred p.npy --target t.npy --level scalar");
    assert!(
        text.starts_with("mae: mean 0.1  (0x3dcccccd)\n  1 element of f32\n  scalar (unfused), 1 thread")
    );
}

#[test]
fn values_that_json_has_no_number_for() {
    let room = Room::new();
    room.put_f32("t.npy", &[0.0, 0.0]);
    room.put_f32("w.npy", &[1.0, -1.0]);
    for (pred, weights, value, bits) in [
        ([1.0, f32::NAN], "", "NaN", "0x7fc00000"),
        ([1.0, -f32::NAN], "", "NaN", "0x7fc00000"),
        ([INF, 1.0], "", "inf", "0x7f800000"),
        ([1.0, INF], "--weights w.npy", "-inf", "0xff800000"),
        ([INF, INF], "--weights w.npy", "NaN", "0x7fc00000"),
    ] {
        room.put_f32("p.npy", &pred);
        let report = room.json(&format!("eval mae --pred p.npy --target t.npy {weights} --each e.npy"));
        assert_eq!((&report["value"], &report["bits"]), (&json!(value), &json!(bits)));
    }
    room.put_f64("p.npy", &[f64::NAN, 1.0]);
    let report = room.json("eval mse --pred p.npy --target t.npy --grad g.npy");
    assert_eq!((&report["value"], &report["bits"]), (&json!("NaN"), &json!("0x7ff8000000000000")));
    assert_eq!(room.get("g.npy")[128..136], f64::NAN.to_le_bytes());
}

#[test]
fn every_form_of_header() {
    let room = Room::new();
    let data = bytes_f32(&[1.0, 2.0]);
    room.put_f32("t.npy", &[0.0, 0.0]);
    for (version, dict) in [
        (1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"),
        (2, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"),
        (3, "{\"shape\":(2,),\"fortran_order\":False,\"descr\":\"<f4\"}"),
        (1, "{ 'shape' : ( 2L , ) , 'descr' : '<f4' , 'fortran_order' : False }"),
        (1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }"),
    ] {
        room.put("p.npy", &npy_of(version, dict, &data));
        assert_eq!(room.json("eval mse --pred p.npy --target t.npy")["value"], 2.5, "{dict}");
    }
}

#[test]
fn an_output_may_be_an_input_or_anything_that_was_there() {
    let room = residuals();
    room.text("eval mse --pred p.npy --target t.npy --grad p.npy --each ./t.npy --reduction sum");
    assert_eq!(room.floats("p.npy", "<f4", "(4,)"), [1.0, -6.0, 0.0, 4.0]);
    assert_eq!(room.floats("t.npy", "<f4", "(4,)"), [0.25, 9.0, 0.0, 4.0]);
    assert_eq!(room.everything().len(), 4);
}

#[cfg(unix)]
#[test]
fn outputs_keep_links_and_permissions() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let room = residuals();
    room.put("real.npy", b"old");
    let real = room.path().join("real.npy");
    std::fs::set_permissions(&real, PermissionsExt::from_mode(0o640)).unwrap();
    symlink("real.npy", room.path().join("link.npy")).unwrap();
    room.text("eval mae --pred p.npy --target t.npy --reduction sum --grad link.npy --each new.npy");
    assert_eq!(room.floats("real.npy", "<f4", "(4,)"), [1.0, -1.0, 0.0, 1.0]);
    assert!(room.path().join("link.npy").is_symlink());
    let mode = |name| room.path().join(name).metadata().unwrap().permissions().mode() & 0o777;
    // A new file is a file like any other: the same as the one that this test has made.
    assert_eq!((mode("real.npy"), mode("new.npy")), (0o640, mode("p.npy")));
}

#[test]
fn help_lists_every_loss_and_option() {
    let room = Room::new();
    let help = room.text("eval --help");
    for loss in fused_loss::AnyLoss::<f32>::list().chain(fused_loss::AnyRowLoss::<f32>::list()) {
        assert!(help.contains(loss.name) && help.contains(loss.formula), "{}", loss.name);
        for parameter in loss.parameters {
            let option = format!("\n      --{}", parameter.name.replace('_', "-"));
            assert!(help.contains(&option) && help.contains(parameter.meaning), "{option}");
        }
    }
    assert!(help.contains("--half"));
    for file in ["--class-weights W.npy", "--lse L.npy", "--hits H.npy"] {
        assert!(help.matches(file).count() >= 2, "{file}");
    }
    assert!(room.text("--version").starts_with("fused-loss "));
}
