//! `redress man`: one page for the program and all its commands.

use super::Ended;
use super::args::Cli;
use anyhow::Result;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use std::io::{self, Write};

pub fn run() -> Result<Ended> {
    // Into memory first: half a page is no page.
    let mut page = Vec::new();
    render(&mut page)?;
    io::stdout().write_all(&page)?;
    Ok(Ended::Done)
}

fn render(out: &mut dyn Write) -> io::Result<()> {
    let mut program = Cli::command().disable_help_subcommand(true);
    // Names commands in full: `redress kb import`.
    program.build();
    Man::new(program.clone()).render(out)?;
    section(&program, out)
}

/// Each command's help, as `--help` prints it, below the page of the program.
fn section(command: &Command, out: &mut dyn Write) -> io::Result<()> {
    for sub in command.get_subcommands() {
        let name = sub.get_bin_name().unwrap_or_else(|| sub.get_name());
        let help = sub.clone().term_width(90).render_long_help().to_string();
        let mut roff = Roff::new();
        roff.control("SH", [name.to_uppercase().as_str()]);
        roff.control("nf", []);
        let lines = help.trim_end().lines();
        roff.text(
            lines
                .flat_map(|l| [roman(l), roman("\n")])
                .collect::<Vec<_>>(),
        );
        roff.control("fi", []);
        roff.to_writer(out)?;
        section(sub, out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_option_is_on_the_page() {
        let mut page = Vec::new();
        render(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap().replace("\\-", "-");
        for words in [
            "REDRESS KB IMPORT",
            "--names <FILE>",
            "REDRESS EVALUATE",
            "--resume",
            "--only <ONLY>",
            "Exit codes",
        ] {
            assert!(page.contains(words), "{words}\n{page}");
        }
        let control = |l: &&str| l.starts_with(['.', '\'']);
        let known = [
            ".TH", ".SH", ".TP", ".RS", ".RE", ".nf", ".fi", ".ie", ".el", ".br",
        ];
        for line in page.lines().filter(control) {
            assert!(known.iter().any(|k| line.starts_with(k)), "{line}");
        }
    }
}
