//! The two streams, neither of which may panic when its reader has gone.

use std::io::{self, ErrorKind, Write};

/// Writes a text and a line's end on stdout. A reader that has gone has read all that it wanted.
pub fn say(text: &str) -> Result<(), String> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(format!("stdout: {error}")),
        _ => Ok(()),
    }
}

/// Writes an error as one line on stderr, whatever a file's name or header put into it.
pub fn complain(message: &str) {
    let mut line = String::from("fused-loss: ");
    for letter in message.chars() {
        match letter.is_control() {
            true => line.extend(letter.escape_default()),
            false => line.push(letter),
        }
    }
    line.push('\n');
    // Nobody is left to tell when this fails.
    let _ = io::stderr().write_all(line.as_bytes());
}
