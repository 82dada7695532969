//! LOSS and its options on the command line, made from the crate's own list: a loss that joins the list is here too.

use std::collections::BTreeMap;
use std::fmt::Write;

use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use fused_loss::{AnyLoss, Error, Float, Parameter, Values};

const HEADING: &str = "Loss options";

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
}

impl Choice {
    /// Whether it is a loss of rows of classes.
    pub fn rows(&self) -> bool {
        AnyLoss::<f64>::list().any(|loss| loss.name == self.name && loss.rows)
    }

    /// The loss itself, in the precision of the data.
    pub fn loss<F: Float>(&self) -> Result<AnyLoss<F>, String> {
        let value = |parameter: &Parameter| self.values.get(parameter.name).map(|&value| F::from_f64(value));
        AnyLoss::named(&self.name, value).ok_or_else(|| format!("there is no loss {}", self.name))
    }
}

/// The option of a parameter, without its dashes.
fn option(parameter: &str) -> String {
    parameter.replace('_', "-")
}

/// An error of the crate in the words of the command line, where a parameter is an option.
pub fn explain<F: Float>(error: Error<F>) -> String {
    match error {
        Error::Parameter { name, value, domain } => {
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
        _ => format!("{}, {} [default: {}]", parameter.meaning, parameter.domain(), parameter.default),
    }
}

/// What stands behind an option in the help.
fn placeholder(parameter: &Parameter) -> String {
    match parameter.values {
        Values::Flag => String::new(),
        Values::Choice(choices) => format!(" {}", choices.join("|")),
        _ => " X".into(),
    }
}

/// The option of a parameter: a flag, one of a few words, or a number.
fn argument(parameter: &Parameter, help: String) -> Arg {
    let argument = Arg::new(parameter.name).long(option(parameter.name)).help_heading(HEADING).help(help);
    match parameter.values {
        Values::Flag => argument.action(ArgAction::SetTrue),
        Values::Choice(choices) => argument.value_parser(PossibleValuesParser::new(choices)),
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
        _ => matches.get_one::<f64>(parameter.name).copied(),
    }
}

/// Every parameter of any loss, once, and what it means to the losses that have it.
fn parameters() -> BTreeMap<&'static str, (Parameter, String)> {
    let mut parameters = BTreeMap::<_, (Parameter, Vec<(String, String)>)>::new();
    for loss in AnyLoss::<f64>::list() {
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

/// Adds LOSS, its options and the list of all losses to a command.
pub fn add_to(command: Command) -> Command {
    let names = PossibleValuesParser::new(AnyLoss::<f64>::list().map(|loss| loss.name));
    let loss = Arg::new("loss").value_name("LOSS").value_parser(names).hide_possible_values(true);
    let command = command.arg(loss.required(true).index(1).help("One of the losses listed below"));
    let options = parameters().into_values().map(|(parameter, meaning)| argument(&parameter, meaning));
    let flags = VARIANTS.iter().map(|variant| {
        let help = format!("{}: {}", variant.loss, variant.help);
        let flag = Arg::new(variant.flag).long(variant.flag).action(ArgAction::SetTrue);
        flag.help_heading(HEADING).help(help)
    });
    command.args(options).args(flags).after_help(list())
}

/// The list of losses for `--help`: p is the prediction, y the target.
fn list() -> String {
    let mut text = String::from("Losses, of a prediction p (a logit x) and a target y:\n");
    let width = AnyLoss::<f64>::list().map(|loss| loss.name.len()).max().unwrap_or(0) + 2;
    for loss in AnyLoss::<f64>::list() {
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
    }
    text
}

/// What was chosen in `eval`. An option that the loss does not have is a usage error.
pub fn chosen(command: &mut Command, matches: &ArgMatches) -> Result<Choice, clap::Error> {
    let Some((subcommand, matches)) = matches.subcommand() else {
        return Err(command.error(ErrorKind::MissingSubcommand, "a command is missing"));
    };
    let name = matches.get_one::<String>("loss").map_or("", String::as_str);
    let own = AnyLoss::<f64>::list().find(|loss| loss.name == name).map_or(&[][..], |loss| loss.parameters);
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
    let useless = matches.get_one::<String>("policy").is_none_or(|policy| policy != "eps");
    let message = match foreign.first() {
        Some(option) => format!("the loss {name} has no option --{option}"),
        None if values.contains_key("eps") && useless => "--eps needs --policy eps".into(),
        None => return Ok(Choice { asked: name.into(), name: becomes.into(), values }),
    };
    let command = command.find_subcommand_mut(subcommand);
    Err(command.map_or_else(
        || clap::Error::raw(ErrorKind::UnknownArgument, &message),
        |command| command.error(ErrorKind::UnknownArgument, &message),
    ))
}
