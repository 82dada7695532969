//! LOSS and its options on the command line, made from the crate's own list: a loss that joins the list is here too.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use fused_loss::{AnyLoss, AnyRowLoss, Entry, Error, Float, Loss, Parameter, RowLoss, Values};

const HEADING: &str = "Loss options";

/// A loss of either list.
#[derive(Clone, Copy)]
pub enum Chosen<F: Float> {
    Elements(AnyLoss<F>),
    Rows(AnyRowLoss<F>),
}

/// Both lists.
pub fn list() -> impl Iterator<Item = Entry> {
    AnyLoss::<f64>::list().chain(AnyRowLoss::<f64>::list())
}

impl<F: Float> Chosen<F> {
    /// The loss of this name; a parameter's value, or none for its default.
    pub fn named(name: &str, parameter: impl Fn(&Parameter) -> Option<F>) -> Result<Self, String> {
        let of_elements = AnyLoss::named(name, &parameter).map(Chosen::Elements);
        of_elements
            .or_else(|| AnyRowLoss::named(name, &parameter).map(Chosen::Rows))
            .ok_or_else(|| format!("there is no loss {name}"))
    }

    pub fn check(self) -> Result<(), Error<F>> {
        match self {
            Chosen::Elements(loss) => loss.check(),
            Chosen::Rows(loss) => loss.check(),
        }
    }

    fn weighs_classes(self) -> bool {
        matches!(self, Chosen::Rows(loss) if loss.weighs_classes())
    }

    fn takes_logits(self) -> bool {
        matches!(self, Chosen::Rows(loss) if loss.takes_logits())
    }
}

/// A file that some losses alone have an option for.
struct File {
    option: &'static str,
    value: &'static str,
    help: &'static str,
    belongs: fn(Chosen<f64>) -> bool,
}

const FILES: [File; 3] = [
    File {
        option: "class-weights",
        value: "W.npy",
        help: "a factor for each class; the mean of labels divides by the sum of theirs",
        belongs: Chosen::weighs_classes,
    },
    File {
        option: "lse",
        value: "L.npy",
        help: "where to write each row's log-sum-exp",
        belongs: Chosen::takes_logits,
    },
    File {
        option: "hits",
        value: "H.npy",
        help: "where to write 1 for each row whose greatest logit is its target's, else 0 (u1)",
        belongs: Chosen::takes_logits,
    },
];

/// Those of a loss.
fn files(name: &str) -> impl Iterator<Item = &'static File> {
    let loss = Chosen::named(name, |_| None).ok();
    FILES.iter().filter(move |file| loss.is_some_and(file.belongs))
}

/// A flag that turns a loss into another one of the list.
struct Variant {
    loss: &'static str,
    flag: &'static str,
    becomes: &'static str,
    help: &'static str,
}

const VARIANTS: &[Variant] = &[
    Variant { loss: "mse", flag: "half", becomes: "half-mse", help: "half of it, as half-mse" },
    Variant {
        loss: "kl-divergence",
        flag: "generalized",
        becomes: "generalized-kl",
        help: "p - y is added, as in generalized-kl",
    },
];

/// A loss of the list, and the values given for its parameters.
pub struct Choice {
    /// As it was asked for, flags aside.
    pub asked: String,
    /// Its name in the list.
    name: String,
    values: BTreeMap<&'static str, f64>,
    /// Apart from the other values, since labels may be numbers that the precision rounds.
    pub ignore_index: Option<i64>,
    files: BTreeMap<&'static str, PathBuf>,
}

impl Choice {
    /// Whether it is a loss of rows of classes.
    pub fn rows(&self) -> bool {
        list().any(|loss| loss.name == self.name && loss.rows)
    }

    /// The file given for an option that some losses alone have.
    pub fn file(&self, option: &str) -> Option<&Path> {
        self.files.get(option).map(PathBuf::as_path)
    }

    /// The loss itself, in the precision of the data.
    pub fn loss<F: Float>(&self) -> Result<Chosen<F>, String> {
        let value = |parameter: &Parameter| self.values.get(parameter.name).map(|&value| F::from_f64(value));
        for parameter in list().filter(|loss| loss.name == self.name).flat_map(|loss| loss.parameters) {
            value(parameter).map_or(Ok(()), |value| parameter.check(value)).map_err(explain)?;
        }
        match (Chosen::named(&self.name, value)?, self.ignore_index) {
            (Chosen::Rows(loss), label @ Some(_)) => Ok(Chosen::Rows(loss.ignoring(label))),
            (loss, _) => Ok(loss),
        }
    }
}

/// The option of a parameter, without its dashes.
fn option(parameter: &str) -> String {
    parameter.replace('_', "-")
}

/// An error of the crate in the words of the command line, where a parameter is an option.
pub fn explain<F: Float>(error: Error<F>) -> String {
    match error {
        // A sum has no option.
        Error::Parameter { name, value, domain } if !name.contains(' ') => {
            format!("--{} is {value:?}, but must be {domain}", option(name))
        }
        other => other.to_string(),
    }
}

/// What a parameter means to one loss.
fn meaning(parameter: &Parameter) -> String {
    match parameter.values {
        Values::Flag => parameter.meaning.into(),
        Values::Choice(choices) => {
            let default = choices.get(parameter.default as usize).copied().unwrap_or_default();
            format!("{} [default: {default}]", parameter.meaning)
        }
        _ => {
            let default = Some(parameter.default).filter(|default| !default.is_nan());
            let default = default.map_or("none".into(), |default| default.to_string());
            format!("{}, {} [default: {default}]", parameter.meaning, parameter.domain())
        }
    }
}

/// What stands behind an option in the help.
fn placeholder(parameter: &Parameter) -> String {
    match parameter.values {
        Values::Flag => String::new(),
        Values::Choice(choices) => format!(" {}", choices.join("|")),
        Values::Whole => " I".into(),
        _ => " X".into(),
    }
}

/// The option of a parameter: a flag, one of a few words, or a number.
fn argument(parameter: &Parameter, help: String) -> Arg {
    let argument = Arg::new(parameter.name).long(option(parameter.name)).help_heading(HEADING).help(help);
    match parameter.values {
        Values::Flag => argument.action(ArgAction::SetTrue),
        Values::Choice(choices) => argument.value_parser(PossibleValuesParser::new(choices)),
        Values::Whole => {
            argument.value_name("I").value_parser(value_parser!(i64)).allow_negative_numbers(true)
        }
        _ => argument.value_name("X").value_parser(value_parser!(f64)).allow_negative_numbers(true),
    }
}

/// The value given for a parameter: of a word, its index.
fn value(parameter: &Parameter, matches: &ArgMatches) -> Option<f64> {
    match parameter.values {
        Values::Flag => matches.get_one::<bool>(parameter.name).map(|&flag| f64::from(u8::from(flag))),
        Values::Choice(choices) => {
            let word = matches.get_one::<String>(parameter.name)?;
            choices.iter().position(|choice| choice == word).map(|index| index as f64)
        }
        Values::Whole => matches.get_one::<i64>(parameter.name).map(|&whole| whole as f64),
        _ => matches.get_one::<f64>(parameter.name).copied(),
    }
}

/// Every parameter of any loss, once, and what it means to the losses that have it.
fn parameters() -> BTreeMap<&'static str, (Parameter, String)> {
    let mut parameters = BTreeMap::<_, (Parameter, Vec<(String, String)>)>::new();
    for loss in list() {
        for parameter in loss.parameters {
            let (_, texts) = parameters.entry(parameter.name).or_insert((*parameter, vec![]));
            let meaning = meaning(parameter);
            match texts.last_mut() {
                Some((losses, last)) if *last == meaning => *losses += &format!(", {}", loss.name),
                _ => texts.push((loss.name.into(), meaning)),
            }
        }
    }
    let joined = |texts: Vec<(String, String)>| {
        let texts: Vec<_> =
            texts.into_iter().map(|(losses, meaning)| format!("{losses}: {meaning}")).collect();
        texts.join("; ")
    };
    parameters.into_iter().map(|(name, (parameter, texts))| (name, (parameter, joined(texts)))).collect()
}

/// The option of a file.
fn file_argument(file: &File) -> Arg {
    let losses: Vec<_> = list()
        .map(|loss| loss.name)
        .filter(|name| files(name).any(|own| own.option == file.option))
        .collect();
    let help = format!("{}: {}", losses.join(", "), file.help);
    let argument = Arg::new(file.option).long(file.option).value_name(file.value);
    argument.value_parser(value_parser!(PathBuf)).help_heading(HEADING).help(help)
}

/// Adds LOSS, its options and the list of all losses to a command.
pub fn add_to(command: Command) -> Command {
    let names = PossibleValuesParser::new(list().map(|loss| loss.name));
    let loss = Arg::new("loss").value_name("LOSS").value_parser(names).hide_possible_values(true);
    let command = command.arg(loss.required(true).index(1).help("One of the losses listed below"));
    let options = parameters().into_values().map(|(parameter, meaning)| argument(&parameter, meaning));
    let flags = VARIANTS.iter().map(|variant| {
        let help = format!("{}: {}", variant.loss, variant.help);
        let flag = Arg::new(variant.flag).long(variant.flag).action(ArgAction::SetTrue);
        flag.help_heading(HEADING).help(help)
    });
    let files = FILES.iter().map(file_argument);
    command.args(options).args(flags).args(files).after_help(text())
}

/// The losses for `--help`.
fn text() -> String {
    let mut text = String::from(
        "Losses, of a prediction p (a logit or log-probability x), a target y, and for rows a label k; q = softmax(x / T):\n",
    );
    let width = list().map(|loss| loss.name.len()).max().unwrap_or(0) + 2;
    for loss in list() {
        let _ = writeln!(text, "  {:width$}{}", loss.name, loss.formula);
        for parameter in loss.parameters {
            let _ = writeln!(
                text,
                "  {:width$}--{}{}  {}",
                "",
                option(parameter.name),
                placeholder(parameter),
                meaning(parameter)
            );
        }
        for variant in VARIANTS.iter().filter(|variant| variant.loss == loss.name) {
            let _ = writeln!(text, "  {:width$}--{}  {}", "", variant.flag, variant.help);
        }
        for file in files(loss.name) {
            let _ = writeln!(text, "  {:width$}--{} {}  {}", "", file.option, file.value, file.help);
        }
    }
    text
}

/// What was chosen in `eval`. An option that the loss does not have is a usage error.
pub fn chosen(command: &mut Command, matches: &ArgMatches) -> Result<Choice, clap::Error> {
    let Some((subcommand, matches)) = matches.subcommand() else {
        return Err(command.error(ErrorKind::MissingSubcommand, "a command is missing"));
    };
    let name = matches.get_one::<String>("loss").map_or("", String::as_str);
    let own = list().find(|loss| loss.name == name).map_or(&[][..], |loss| loss.parameters);
    let given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);

    let mut becomes = name;
    let mut foreign = Vec::new();
    for variant in VARIANTS.iter().filter(|variant| given(variant.flag)) {
        if variant.loss == name {
            becomes = variant.becomes;
        } else {
            foreign.push(variant.flag.into());
        }
    }
    let mut values = BTreeMap::new();
    for name in parameters().into_keys().filter(|name| given(name)) {
        match own.iter().find(|own| own.name == name).and_then(|own| value(own, matches)) {
            Some(value) => {
                values.insert(name, value);
            }
            None => foreign.push(option(name)),
        }
    }
    let mut given_files = BTreeMap::new();
    for file in FILES.iter().filter(|file| given(file.option)) {
        match matches.get_one::<PathBuf>(file.option) {
            Some(path) if files(name).any(|own| own.option == file.option) => {
                given_files.insert(file.option, path.clone());
            }
            _ => foreign.push(file.option.into()),
        }
    }
    let ignore_index = values.remove("ignore_index").and(matches.get_one("ignore_index").copied());
    let alone = values.contains_key("smoothing_over_others") && !values.contains_key("label_smoothing");
    let useless = matches.get_one::<String>("policy").is_none_or(|policy| policy != "eps");
    let message = match foreign.first() {
        Some(option) => format!("the loss {name} has no option --{option}"),
        None if values.contains_key("eps") && useless => "--eps needs --policy eps".into(),
        None if alone => "--smoothing-over-others needs --label-smoothing".into(),
        None => {
            let (asked, name) = (name.into(), becomes.into());
            return Ok(Choice { asked, name, values, ignore_index, files: given_files });
        }
    };
    let command = command.find_subcommand_mut(subcommand);
    Err(command.map_or_else(
        || clap::Error::raw(ErrorKind::UnknownArgument, &message),
        |command| command.error(ErrorKind::UnknownArgument, &message),
    ))
}
