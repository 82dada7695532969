//! The data sets in the binary: read, split and standardised.

/// A data set, embedded in the binary. Sources and licences: `cli/data/README.md`.
pub struct DataSet {
    pub name: &'static str,
    pub task: Task,
    csv: &'static str,
}

/// What the target of a data set is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Task {
    /// A number, standardised as the features are.
    Regression,
    /// 0 or 1, kept as it is.
    Binary,
    /// A label from 0 on, of so many classes.
    Classes(usize),
}

pub static DIABETES: DataSet =
    DataSet { name: "diabetes", task: Task::Regression, csv: include_str!("../../data/diabetes.csv") };
pub static BREAST_CANCER: DataSet =
    DataSet { name: "breast_cancer", task: Task::Binary, csv: include_str!("../../data/breast_cancer.csv") };
pub static DIGITS: DataSet =
    DataSet { name: "digits", task: Task::Classes(10), csv: include_str!("../../data/digits.csv") };

/// Rows of features, one after the other, and their targets.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Rows {
    pub columns: usize,
    pub features: Vec<f64>,
    pub target: Vec<f64>,
}

impl DataSet {
    /// The training rows and the held-out rows, standardised by the training rows.
    pub fn load(&self) -> Result<(Rows, Rows), String> {
        let (mut train, mut held_out) = split(&parse(self.csv)?);
        for column in 0..train.columns {
            let scale = Scale::of(train.column(column));
            for rows in [&mut train, &mut held_out] {
                let features = rows.features.iter_mut().skip(column);
                scale.apply(features.step_by(rows.columns));
            }
        }
        if self.task == Task::Regression {
            let scale = Scale::of(train.target.iter().copied());
            scale.apply(train.target.iter_mut());
            scale.apply(held_out.target.iter_mut());
        }
        Ok((train, held_out))
    }
}

impl Rows {
    /// The targets where they are labels.
    pub fn labels(&self) -> Vec<i64> {
        self.target.iter().map(|&label| label as i64).collect()
    }

    fn column(&self, column: usize) -> impl Iterator<Item = f64> + Clone {
        self.features.iter().skip(column).step_by(self.columns).copied()
    }
}

/// A line of names, then lines of numbers, the target last.
fn parse(csv: &str) -> Result<Rows, String> {
    let mut lines = csv.lines();
    let columns = lines.next().unwrap_or_default().split(',').count() - 1;
    let mut rows = Rows { columns, ..Rows::default() };
    for line in lines {
        let numbers = line.split(',').map(str::parse).collect::<Result<Vec<f64>, _>>();
        let numbers = numbers.map_err(|error| format!("{error}: {line}"))?;
        match numbers.split_last() {
            Some((&target, features)) if features.len() == columns => {
                rows.features.extend(features);
                rows.target.push(target);
            }
            _ => return Err(format!("not {columns} features and a target: {line}")),
        }
    }
    Ok(rows)
}

/// Every fifth row, the ones with index % 5 == 4, is held out.
fn split(rows: &Rows) -> (Rows, Rows) {
    let empty = Rows { columns: rows.columns, ..Rows::default() };
    let (mut train, mut held_out) = (empty.clone(), empty);
    for (index, (features, &target)) in rows.features.chunks(rows.columns).zip(&rows.target).enumerate() {
        let part = if index % 5 == 4 { &mut held_out } else { &mut train };
        part.features.extend(features);
        part.target.push(target);
    }
    (train, held_out)
}

/// Mean and population deviation of a column.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Scale {
    mean: f64,
    deviation: f64,
}

impl Scale {
    fn of(column: impl Iterator<Item = f64> + Clone) -> Scale {
        let count = column.clone().count() as f64;
        let mean = column.clone().sum::<f64>() / count;
        // By comparison: the mean of equal numbers may round, and leave a deviation that is nothing but rounding.
        let constant = column.clone().zip(column.clone().skip(1)).all(|(x, next)| x == next);
        if constant {
            return Scale { mean, deviation: 1.0 };
        }
        let variance = column.map(|x| (x - mean) * (x - mean)).sum::<f64>() / count;
        Scale { mean, deviation: variance.sqrt() }
    }

    fn apply<'a>(self, column: impl Iterator<Item = &'a mut f64>) {
        for x in column {
            *x = (*x - self.mean) / self.deviation;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_holds_out_every_fifth_row() -> Result<(), String> {
        let (train, held_out) = split(&parse("x,y\n0,0\n1,10\n2,20\n3,30\n4,40\n5,50")?);
        assert_eq!(train.features, [0.0, 1.0, 2.0, 3.0, 5.0]);
        assert_eq!(held_out, Rows { columns: 1, features: vec![4.0], target: vec![40.0] });
        assert!(parse("x,y\n0").is_err());
        Ok(())
    }

    #[test]
    fn scale_is_by_the_population_deviation() {
        let mut column = [1.0, 3.0];
        Scale::of(column.into_iter()).apply(column.iter_mut());
        assert_eq!(column, [-1.0, 1.0]);
        // The sum of ten 0.1 is not 1.
        assert_eq!(Scale::of([0.1; 10].into_iter()).deviation, 1.0);
    }

    #[test]
    fn data_sets_have_their_known_sizes_and_means() -> Result<(), String> {
        // The sums of the raw training targets are by awk.
        for (data, columns, sizes, mean) in [
            (&DIABETES, 10, (354, 88), 53768.0 / 354.0),
            (&BREAST_CANCER, 30, (456, 113), 286.0 / 456.0),
            (&DIGITS, 64, (1438, 359), 6308.0 / 1438.0),
        ] {
            let (raw, _) = split(&parse(data.csv)?);
            assert!((Scale::of(raw.target.iter().copied()).mean - mean).abs() < 1e-9, "{}", data.name);
            let (train, held_out) = data.load()?;
            assert_eq!((train.target.len(), held_out.target.len()), sizes);
            assert_eq!(train.columns, columns);
            for column in 0..columns {
                let scale = Scale::of(train.column(column));
                assert!(scale.mean.abs() < 1e-13 && (scale.deviation - 1.0).abs() < 1e-13, "{}", data.name);
            }
        }
        let (train, _) = BREAST_CANCER.load()?;
        assert!(train.target.iter().all(|&target| target == 0.0 || target == 1.0));
        let (train, _) = DIGITS.load()?;
        assert_eq!(train.labels()[..11], [0, 1, 2, 3, 5, 6, 7, 8, 0, 1, 2]);
        Ok(())
    }
}
