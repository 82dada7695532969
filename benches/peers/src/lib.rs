//! The Rust side of the protocol: a peer hands [`serve`] a function that prepares a cell, and is asked for it line by
//! line. `python/protocol.py` is the same for Python; `README.md` describes the lines.

mod clock;
mod data;

use std::io::{BufRead, Write};

use serde::{Deserialize, Serialize};

pub use data::{Aligned, Data};

/// One loss over one size in one precision.
#[derive(Deserialize, Clone, Debug)]
pub struct Cell {
    pub case: String,
    pub dtype: String,
    /// Elements, or rows of classes.
    pub rows: usize,
    /// 1 for the losses of elements.
    pub classes: usize,
    /// What the names of its data files begin with.
    pub data: String,
}

/// What a peer says about itself.
#[derive(Serialize)]
pub struct About {
    pub version: String,
    /// What a call allocates, for people.
    pub allocates: &'static str,
}

/// One call: loss, gradient and mean. What it returns is the mean.
pub type Call = Box<dyn FnMut() -> f64>;

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
enum Request {
    About,
    Prepare(Cell),
    Time { seconds: f64 },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer<'a> {
    About(&'a About),
    Prepared { mean: f64 },
    Timed(clock::Times),
    Absent { absent: String },
}

/// How many threads the peer may use.
pub fn threads() -> usize {
    std::env::var("PEER_THREADS").ok().and_then(|threads| threads.parse().ok()).unwrap_or(1)
}

/// Answers requests until there are no more. An error of `prepare` says why a peer has no such cell.
pub fn serve(about: About, prepare: impl Fn(&Cell) -> Result<Call, String>) {
    let mut current: Option<(usize, Call)> = None;
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("requests come as lines");
        let request: Request = serde_json::from_str(&line).expect("a request of the protocol");
        let answer = match request {
            Request::About => Answer::About(&about),
            Request::Prepare(cell) => {
                // First, for there may not be room for two.
                current = None;
                match prepare(&cell) {
                    Ok(mut call) => {
                        let mean = call();
                        current = Some((cell.rows * cell.classes, call));
                        Answer::Prepared { mean }
                    }
                    Err(absent) => Answer::Absent { absent },
                }
            }
            Request::Time { seconds } => match &mut current {
                Some((elements, call)) => Answer::Timed(clock::time(call, *elements, seconds)),
                None => Answer::Absent { absent: "no cell is prepared".into() },
            },
        };
        let text = serde_json::to_string(&answer).expect("answers are JSON");
        println!("{text}");
        std::io::stdout().flush().expect("someone reads the answers");
    }
}
