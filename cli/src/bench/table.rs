//! The table for people.

use super::{Mode, Row, Size, Sum};

const BAR: usize = 10;

pub const FOOT: &str = "
GB/s counts each input once and each output once. The memory test moves the same bytes between the same arrays and
computes nothing: 100 % is as fast as memory. The error is that of the sum of all losses, against its exact value.";

/// What all lines have in common, and the names of the columns.
pub fn head(row: &Row) -> String {
    let Row { dtype, size, threads, .. } = row;
    let mode = match row.mode {
        Mode::Value => "loss alone",
        Mode::Grad => "loss and gradient",
        Mode::InPlace => "loss, and gradient in place",
    };
    let sum = match row.sum {
        Sum::Compensated => "compensated",
        Sum::Plain => "plain",
    };
    let bytes = bytes(size.elements() * if row.dtype == "f32" { 4 } else { 8 });
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let thread = plural(*threads);
    let size = match *size {
        Size::Elements { len } => format!("{len} element{}", plural(len)),
        Size::Rows { rows, classes } => {
            format!("{rows} row{} of {classes} class{}", plural(rows), if classes == 1 { "" } else { "es" })
        }
    };
    format!(
        "{mode}, {sum} sum; {size} of {dtype}, {bytes} an array; {threads} thread{thread}\n\n\
         {:27}{:10}{:>10}{:>9}   {:16}{:>21}",
        "loss", "level", "ns/element", "GB/s", "of memory test", "error of the total"
    )
}

pub fn line(row: &Row) -> String {
    let Row { loss, level, ns_per_element, gb_per_s, of_stream, .. } = row;
    let full = ((of_stream * BAR as f64).round() as usize).min(BAR);
    let bar = "#".repeat(full) + &".".repeat(BAR - full);
    let error = match row.total_error_ulp {
        Some(error) if error < 1_000.0 => format!("{error:.2} ULP"),
        Some(error) => format!("{error:.1e} ULP"),
        None => "no number".into(),
    };
    let percent = format!("{:.0} %", of_stream * 100.0);
    format!("{loss:27}{level:10}{ns_per_element:10.3}{gb_per_s:9.2}   {bar}{percent:>6}{error:>21}")
}

/// A size in the unit that suits it.
fn bytes(count: usize) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let step = (0..units.len() - 1).find(|&step| count < 1 << (10 * (step + 1))).unwrap_or(units.len() - 1);
    let size = count as f64 / (1_u64 << (10 * step)) as f64;
    format!("{} {}", (size * 10.0).round() / 10.0, units[step])
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_have_their_unit() {
        let sizes = [(4, "4 bytes"), (1_536, "1.5 KiB"), (65_536, "64 KiB"), (1 << 26, "64 MiB")];
        for (count, text) in sizes {
            assert_eq!(bytes(count), text);
        }
    }
}
