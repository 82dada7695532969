//! burn on its flex backend with autodiff: its own losses, but for mean absolute error, which it lacks, and the binary
//! losses, whose formulas are taken so that the targets need no conversion each call.

use burn::nn::loss::{CrossEntropyLossConfig, HuberLossConfig, KLDivLossConfig, MseLoss, Reduction};
use burn::tensor::activation::log_sigmoid;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use fused_loss::Float;
use peers::{About, Call, Cell, Data, serve};

fn main() {
    let about = About {
        version: "0.22.1 (flex)".into(),
        allocates: "the gradient, the graph and every step between, anew each call",
    };
    serve(about, |cell| match cell.dtype.as_str() {
        "f32" => prepare::<f32>(cell, DType::F32),
        _ => prepare::<f64>(cell, DType::F64),
    });
}

fn prepare<F: Float + burn::tensor::Element>(cell: &Cell, dtype: DType) -> Result<Call, String> {
    let data = Data::<F>::read(cell)?;
    let device = Device::flex().autodiff();
    let count = cell.rows;
    if cell.case == "softmax-cross-entropy" {
        let shape = [count, cell.classes];
        let pred = Tensor::<2>::from_data(TensorData::new(data.pred.to_vec(), shape), (&device, dtype))
            .require_grad();
        let labels =
            Tensor::<1, Int>::from_data(TensorData::new(data.labels, [count]), (&device, DType::I64));
        let loss = CrossEntropyLossConfig::new().init(&device);
        return Ok(Box::new(move || finish(loss.forward(pred.clone(), labels.clone()), &pred)));
    }
    let tensor =
        |numbers: &[F]| Tensor::<1>::from_data(TensorData::new(numbers.to_vec(), [count]), (&device, dtype));
    let (pred, target) = (tensor(&data.pred).require_grad(), tensor(&data.target));
    let mean = mean_of(&cell.case)?;
    Ok(Box::new(move || finish(mean(pred.clone(), target.clone()), &pred)))
}

/// The gradient, and the loss as a number.
fn finish<const D: usize>(loss: Tensor<1>, pred: &Tensor<D>) -> f64 {
    let gradients = loss.backward();
    std::hint::black_box(pred.grad(&gradients));
    loss.into_scalar::<f64>()
}

fn mean_of(case: &str) -> Result<fn(Tensor<1>, Tensor<1>) -> Tensor<1>, String> {
    Ok(match case {
        "mse" => |p, y| MseLoss::new().forward(p, y, Reduction::Mean),
        "mae" => |p, y| (p - y).abs().mean(),
        "huber" => |p, y| HuberLossConfig::new(1.0).init().forward(p, y, Reduction::Mean),
        "bce-with-logits" => |x, y| ((y.neg() + 1.0) * x.clone() - log_sigmoid(x)).mean(),
        "bce" => |p, y| {
            let right = (y.clone() - 1.0) * p.clone().neg().log1p().clamp_min(-100.0);
            (right - y * p.log().clamp_min(-100.0)).mean()
        },
        "kl-divergence" => |p, y| KLDivLossConfig::new().init().forward(p, y, Reduction::Mean),
        other => return Err(format!("no loss {other}")),
    })
}
