//! The runs as curves in an SVG file: how far each objective lies above its optimum, by epochs.

use std::error::Error;

use plotters::prelude::*;

/// A line of the plot: its name, and (epoch, relative gap) after each step.
pub struct Curve {
    pub name: String,
    pub points: Vec<(usize, f64)>,
}

/// Gaps below this are rounding, and a logarithm has no place for 0.
const LEAST_GAP: f64 = 1e-16;
const SIZE: (u32, u32) = (900, 600);
/// Okabe and Ito's colours, which colour-blind people can tell apart.
const COLOURS: [RGBColor; 4] =
    [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115), RGBColor(204, 121, 167)];

/// The text of the SVG file.
pub fn svg(curves: &[Curve]) -> Result<String, String> {
    let mut text = String::new();
    draw(curves, &mut text).map_err(|error| format!("plot: {error}"))?;
    Ok(text)
}

fn draw(curves: &[Curve], text: &mut String) -> Result<(), Box<dyn Error>> {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let last = points().map(|&(epoch, _)| epoch).max().unwrap_or(1).max(2) as f64;
    let most = points().map(|&(_, gap)| gap).fold(1.0, f64::max) * 2.0;
    let area = SVGBackend::with_string(text, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("fused-loss train: linear models on their way to the optimum", ("sans-serif", 22))
        .margin(15)
        .x_label_area_size(50)
        .y_label_area_size(80)
        .build_cartesian_2d((1.0..last * 1.1).log_scale(), (LEAST_GAP..most).log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc("epochs (passes over the training rows)")
        .y_desc("(objective - optimum) / optimum, no unit")
        .x_label_formatter(&|epoch| format!("{epoch:.0}"))
        .y_label_formatter(&|gap| format!("{gap:.0e}"))
        .label_style(("sans-serif", 14))
        .axis_desc_style(("sans-serif", 16))
        .draw()?;
    for (curve, &colour) in curves.iter().zip(COLOURS.iter().cycle()) {
        let line = curve.points.iter().map(|&(epoch, gap)| (epoch as f64, gap.max(LEAST_GAP)));
        chart
            .draw_series(LineSeries::new(line, colour.stroke_width(2)))?
            .label(&curve.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .label_font(("sans-serif", 14))
        .draw()?;
    area.present()?;
    Ok(())
}
