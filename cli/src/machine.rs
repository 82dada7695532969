//! What a call runs on: `--level` and `--threads`.

use clap::builder::RangedU64ValueParser;
use fused_loss::Level;

/// Every level of any target; a level's name is known where its instructions are not.
pub const LEVELS: [&str; 4] = ["scalar", "portable", "avx2", "avx512"];

#[derive(clap::Args, Clone)]
pub struct Machine {
    /// The instructions to use; auto takes the best that this CPU has
    #[arg(long, value_name = "LEVEL", default_value = "auto",
          value_parser = ["auto", LEVELS[0], LEVELS[1], LEVELS[2], LEVELS[3]])]
    level: String,
    /// How many threads share the work; the result has the same bits for any number
    #[arg(long, value_name = "N", default_value = "1",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub threads: usize,
}

impl Machine {
    /// The level asked for, or an error that names those of this CPU.
    pub fn level(&self) -> Result<Level, String> {
        level(&self.level)
    }
}

/// The level of this name, or of auto.
pub fn level(name: &str) -> Result<Level, String> {
    if name == "auto" {
        return Ok(Level::detect());
    }
    Level::find(name).ok_or_else(|| {
        let here: Vec<_> = Level::available().map(Level::name).collect();
        format!("this CPU does not have the level {name}; it has {}", here.join(", "))
    })
}
