//! What a run shows while it goes on: a bar on a terminal, plain lines elsewhere.
//!
//! The bar counts what a run is to reach.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};

use crate::console;

/// Epochs between two plain lines, at least.
const EVERY: usize = 40;
/// Steps of the bar.
const FINE: f64 = 100.0;

/// What a run is to reach.
pub enum Goal {
    /// So many decimal digits of the optimum, by what the gradient shows.
    Digits(f64),
    /// So many epochs, where no gradient shows how far the optimum is.
    Epochs(usize),
}

pub struct Progress {
    name: String,
    goal: Goal,
    form: Form,
}

enum Form {
    Bar(ProgressBar),
    Lines {
        next: usize,
    },
    /// Where only the JSON object may be printed.
    Silent,
}

impl Progress {
    pub fn new(name: String, goal: Goal, silent: bool) -> Self {
        let form = match (stderr().is_terminal(), silent) {
            (true, _) => Form::Bar(ProgressBar::new(FINE as u64)),
            (false, false) => Form::Lines { next: 0 },
            (false, true) => Form::Silent,
        };
        if let Form::Bar(bar) = &form {
            // A template that is wrong would leave the usual style.
            if let Ok(style) = ProgressStyle::with_template("{prefix:36} [{bar:12}] {msg}") {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(name.clone());
        }
        Progress { name, goal, form }
    }

    /// After a step: the objective, and how far it at most lies above the optimum.
    pub fn step(&mut self, epoch: usize, objective: f64, excess: f64) -> Result<(), String> {
        match &mut self.form {
            Form::Bar(bar) => {
                let part = match self.goal {
                    Goal::Digits(digits) => -(excess / objective).log10() / digits,
                    Goal::Epochs(epochs) => epoch as f64 / epochs as f64,
                };
                // What was once shown stays true, whatever the next step shows. As u64, less than 0 is 0.
                bar.set_position(bar.position().max((part * FINE) as u64));
                bar.set_message(format!("epoch {epoch}, objective {objective:.9}"));
            }
            Form::Lines { next } if epoch >= *next => {
                *next = epoch + EVERY;
                self.line(epoch, objective, excess)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// After the last step.
    pub fn finish(&self, epoch: usize, objective: f64, excess: f64) -> Result<(), String> {
        match &self.form {
            Form::Bar(bar) => bar.finish(),
            Form::Lines { .. } => self.line(epoch, objective, excess)?,
            Form::Silent => {}
        }
        Ok(())
    }

    fn line(&self, epoch: usize, objective: f64, excess: f64) -> Result<(), String> {
        let bound = match self.goal {
            Goal::Digits(_) => format!(", at most {excess:.1e} above the optimum"),
            Goal::Epochs(_) => String::new(),
        };
        console::say(&format!("{}: epoch {epoch:4}, objective {objective:.12}{bound}", self.name))
    }
}
