//! candle: its own losses and backward pass. It has no mean absolute error, no binary cross-entropy of probabilities and
//! no Kullback-Leibler divergence, which are written with its tensors.

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::loss;
use fused_loss::Float;
use peers::{About, Call, Cell, Data, serve};

fn main() {
    let about =
        About { version: "0.11.1".into(), allocates: "the gradient and every step between, anew each call" };
    serve(about, |cell| {
        let call = if cell.dtype == "f32" { prepare::<f32>(cell) } else { prepare::<f64>(cell) };
        call.map_err(|error| error.to_string())
    });
}

fn prepare<F: Float + candle_core::WithDType>(cell: &Cell) -> Result<Call> {
    let data = Data::<F>::read(cell).map_err(candle_core::Error::msg)?;
    let shape: Vec<usize> = if cell.classes == 1 { vec![cell.rows] } else { vec![cell.rows, cell.classes] };
    let pred = Var::from_tensor(&Tensor::from_slice(&data.pred, shape, &Device::Cpu)?)?;
    let target = if cell.classes == 1 {
        Tensor::from_slice(&data.target, cell.rows, &Device::Cpu)?
    } else {
        let labels: Vec<u32> = data.labels.iter().map(|&label| label as u32).collect();
        Tensor::from_vec(labels, cell.rows, &Device::Cpu)?
    };
    let mean = mean_of(&cell.case)?;
    Ok(Box::new(move || {
        let call = || -> Result<f64> {
            let loss = mean(&pred, &target)?;
            std::hint::black_box(loss.backward()?);
            loss.to_dtype(DType::F64)?.to_scalar()
        };
        call().expect("candle computes what it has computed before")
    }))
}

fn mean_of(case: &str) -> Result<fn(&Tensor, &Tensor) -> Result<Tensor>> {
    Ok(match case {
        "mse" => loss::mse,
        "mae" => |p, y| (p - y)?.abs()?.mean_all(),
        "huber" => |p, y| loss::huber(p, y, 1.0),
        "bce-with-logits" => loss::binary_cross_entropy_with_logit,
        "bce" => |p, y| {
            let left = (y * p.log()?.maximum(-100.0)?)?;
            let right = (y.affine(-1.0, 1.0)? * p.affine(-1.0, 1.0)?.log()?.maximum(-100.0)?)?;
            (left + right)?.mean_all()?.neg()
        },
        "kl-divergence" => |p, y| (y * (y.log()? - p)?)?.mean_all(),
        "softmax-cross-entropy" => loss::cross_entropy,
        other => candle_core::bail!("no loss {other}"),
    })
}
