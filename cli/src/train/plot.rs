//! The runs as curves in an SVG file: how far each objective lies above its optimum, by epochs, and below that the
//! objectives whose optimum is not known.

use std::error::Error;

use plotters::coord::Shift;
use plotters::prelude::*;

/// A line of the plot: its name, and (epoch, height) after each step.
pub struct Curve {
    pub name: String,
    /// Whether the height is the relative gap to the optimum, or else the objective.
    pub to_optimum: bool,
    pub points: Vec<(usize, f64)>,
}

/// Gaps below this are rounding, and a logarithm has no place for 0.
const LEAST_GAP: f64 = 1e-16;
/// Of a panel.
const SIZE: (u32, u32) = (900, 600);
/// Okabe and Ito's colours, which colour-blind people can tell apart.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
];

/// One of the charts, which stand below each other.
struct Panel<'a> {
    caption: &'static str,
    height: &'static str,
    /// The least value that is shown.
    least: f64,
    most: f64,
    curves: Vec<(&'a Curve, RGBColor)>,
}

/// The text of the SVG file.
pub fn svg(curves: &[Curve]) -> Result<String, String> {
    let mut text = String::new();
    draw(curves, &mut text).map_err(|error| format!("plot: {error}"))?;
    Ok(text)
}

fn draw(curves: &[Curve], text: &mut String) -> Result<(), Box<dyn Error>> {
    let panels = [Panel::gaps(curves), Panel::objectives(curves)];
    let panels: Vec<_> = panels.into_iter().filter(|panel| !panel.curves.is_empty()).collect();
    let (width, height) = SIZE;
    let area = SVGBackend::with_string(text, (width, height * panels.len() as u32)).into_drawing_area();
    area.fill(&WHITE)?;
    for (panel, area) in panels.iter().zip(area.split_evenly((panels.len(), 1))) {
        panel.draw(&area)?;
    }
    area.present()?;
    Ok(())
}

impl<'a> Panel<'a> {
    fn gaps(curves: &'a [Curve]) -> Self {
        let curves = Panel::of(curves, true);
        let (_, most) = Panel::extent(&curves);
        Panel {
            caption: "fused-loss train: linear models on their way to the optimum",
            height: "(objective - optimum) / optimum, no unit",
            least: LEAST_GAP,
            most: most.max(1.0) * 2.0,
            curves,
        }
    }

    fn objectives(curves: &'a [Curve]) -> Self {
        let curves = Panel::of(curves, false);
        let (least, most) = Panel::extent(&curves);
        Panel {
            caption: "fused-loss train: a network, whose optimum is not known",
            height: "objective, no unit",
            // From below a power of ten, so that it has its label.
            least: 10.0_f64.powf(least.log10().floor()) / 2.0,
            most: most * 2.0,
            curves,
        }
    }

    /// The curves of a kind, each with its colour.
    fn of(curves: &'a [Curve], to_optimum: bool) -> Vec<(&'a Curve, RGBColor)> {
        let coloured = curves.iter().zip(COLOURS.into_iter().cycle());
        coloured.filter(|(curve, _)| curve.to_optimum == to_optimum).collect()
    }

    /// The least and the greatest height.
    fn extent(curves: &[(&Curve, RGBColor)]) -> (f64, f64) {
        let heights = || curves.iter().flat_map(|(curve, _)| &curve.points).map(|&(_, height)| height);
        (heights().fold(f64::INFINITY, f64::min), heights().fold(0.0, f64::max))
    }

    fn draw(&self, area: &DrawingArea<SVGBackend, Shift>) -> Result<(), Box<dyn Error>> {
        let epochs = self.curves.iter().flat_map(|(curve, _)| &curve.points).map(|&(epoch, _)| epoch);
        let last = epochs.max().unwrap_or(1).max(2) as f64;
        let mut chart = ChartBuilder::on(area)
            .caption(self.caption, ("sans-serif", 22))
            .margin(15)
            .x_label_area_size(50)
            .y_label_area_size(80)
            .build_cartesian_2d((1.0..last * 1.1).log_scale(), (self.least..self.most).log_scale())?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_desc("epochs (passes over the training rows)")
            .y_desc(self.height)
            .x_label_formatter(&|epoch| format!("{epoch:.0}"))
            .y_label_formatter(&|height| format!("{height:.0e}"))
            .label_style(("sans-serif", 14))
            .axis_desc_style(("sans-serif", 16))
            .draw()?;
        for &(curve, colour) in &self.curves {
            let line = curve.points.iter().map(|&(epoch, height)| (epoch as f64, height.max(self.least)));
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
        Ok(())
    }
}
