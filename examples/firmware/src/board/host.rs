//! A computer.

use crate::network::{EPOCHS, Network};

pub fn main() {
    let mut network = Network::new();
    for epoch in 1..=EPOCHS {
        match network.step(0.5) {
            Ok(loss) => println!("epoch {epoch}: loss {loss} ({:08x})", loss.to_bits()),
            Err(error) => panic!("{error}"),
        }
    }
}
