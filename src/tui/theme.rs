//! What colours mean. A view names a meaning ([`Role`]); a theme gives it a style.
//!
//! A style is one line, `"cyan on black bold underline"`; colours are the 16 of the terminal by name, `#rrggbb`, an
//! index 0 to 255, or a name of the theme's `[palette]`. A user's theme lies on top of a built-in one (`inherits`).
//! Meaning never hangs on colour alone: whatever has a colour also has a glyph, a bracket or an underline.

use crate::config::{Problem, Problems, read};
use ratatui::style::{Color, Modifier, Style};
use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

macro_rules! roles { ($($(#[doc = $doc:literal])+ $name:ident = $key:literal),+ $(,)?) => {
    /// A meaning that a theme gives a style.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum Role { $($(#[doc = $doc])+ $name),+ }
    impl Role {
        /// (name in a theme file, role).
        pub const ALL: &'static [(&'static str, Role)] = &[$(($key, Role::$name)),+];
    }
} }
roles! {
    /// Ordinary text.
    Text = "ui.text",
    /// What may be overlooked.
    Dim = "ui.dim",
    /// Headings and the current tab.
    Title = "ui.title",
    /// A key that can be pressed.
    Key = "ui.key",
    /// Rules and frames.
    Border = "ui.border",
    /// The row under the cursor; laid over what is drawn.
    Cursor = "ui.cursor",
    /// The cursor row of the panel that has no focus; laid over.
    Shadow = "ui.shadow",
    /// The status line.
    Bar = "ui.bar",
    /// Text being typed.
    Input = "ui.input",
    /// Letters of a name that match what was typed.
    Match = "ui.match",
    /// Done, saved, accepted.
    Good = "message.good",
    /// Something to look at.
    Warning = "message.warning",
    /// Something failed.
    Error = "message.error",
    /// An entity of the sentence.
    Entity = "span.entity",
    /// The head of the triple under the cursor.
    Head = "span.head",
    /// The tail of the triple under the cursor.
    Tail = "span.tail",
    /// A letter that jumps to a span.
    Label = "span.label",
    /// The span being moved.
    Edge = "span.edge",
    /// Model and label agree.
    Correct = "outcome.correct",
    /// Model and label meet in part.
    Partly = "outcome.partly",
    /// Labelled, not predicted.
    Missed = "outcome.missed",
    /// Predicted, not labelled.
    Spurious = "outcome.spurious",
    /// Judged right.
    Accept = "verdict.accept",
    /// Judged wrong.
    Reject = "verdict.reject",
    /// Judged undecidable.
    Unsure = "verdict.unsure",
    /// Sent, not on disk yet.
    Pending = "edit.pending",
    /// Bars and heat.
    Chart = "chart.bar",
}

/// Built-in themes: name and text.
const BUILT_IN: &[(&str, &str)] = &[
    ("default", include_str!("../../themes/default.toml")),
    ("dark", include_str!("../../themes/dark.toml")),
    ("light", include_str!("../../themes/light.toml")),
    (
        "deuteranopia",
        include_str!("../../themes/deuteranopia.toml"),
    ),
    ("tritanopia", include_str!("../../themes/tritanopia.toml")),
    ("mono", include_str!("../../themes/mono.toml")),
];

/// A style for each role.
#[derive(Clone, PartialEq, Debug)]
pub struct Theme([Style; Role::ALL.len()]);

impl Theme {
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    pub fn style(&self, role: Role) -> Style {
        self.0[role as usize]
    }

    /// A theme of the program. `None` for an unknown name.
    pub fn built_in(name: &str) -> Option<Self> {
        let (name, text) = BUILT_IN.iter().find(|(n, _)| *n == name)?;
        Self::parse(name, text).ok()
    }

    /// By name (the user's folder before the built-in ones) or by path.
    pub fn load(name: &str, folder: Option<&Path>) -> Result<Self, Problems> {
        let path = if name.ends_with(".toml") {
            Some(Path::new(name).to_owned())
        } else {
            folder
                .map(|f| f.join(format!("{name}.toml")))
                .filter(|p| p.exists())
        };
        let whole = |file: String, message| {
            Problems(vec![Problem {
                file,
                line: 0,
                message,
            }])
        };
        match path {
            Some(path) => {
                let file = path.display().to_string();
                let text = std::fs::read_to_string(&path)
                    .map_err(|e| whole(file.clone(), format!("cannot be read: {e}")))?;
                Self::parse(&file, &text)
            }
            None => Self::built_in(name).ok_or_else(|| {
                let names: Vec<&str> = Self::names().collect();
                let message = format!(
                    "no such theme; there are {}, or give a path to a .toml file",
                    names.join(", ")
                );
                whole(format!("theme `{name}`"), message)
            }),
        }
    }

    /// Reads a theme. Roles that it does not name come from the theme it inherits, by default `default`; the default
    /// theme itself starts from no styles at all.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let mut palette = BTreeMap::new();
        let mut inherits = (file != "default").then(|| "default".to_owned());
        let mut problems = read(file, text, |item| match (item.table, item.key) {
            ("palette", name) if WORDS.contains(&name) => Err(format!(
                "`{name}` cannot name a colour: it means something in a style"
            )),
            ("palette", name) => {
                let value = item.value.as_str().ok_or("expects a colour in quotes")?;
                palette.insert(name.to_owned(), colour(value, &BTreeMap::new())?);
                Ok(())
            }
            ("", "inherits") => {
                let name = item.value.as_str().unwrap_or_default();
                if !Self::names().any(|n| n == name) {
                    return Err(format!("`inherits` expects a built-in theme, not `{name}`"));
                }
                inherits = Some(name.to_owned());
                Ok(())
            }
            _ => Ok(()),
        });
        let base = inherits
            .filter(|name| name != file)
            .and_then(|name| Self::built_in(&name));
        let mut theme = base.unwrap_or(Self([Style::new(); Role::ALL.len()]));
        problems.extend(read(file, text, |item| match (item.table, item.key) {
            ("palette", _) | ("", "inherits") => Ok(()),
            ("roles", name) => {
                let role = Role::ALL.iter().find(|(key, _)| *key == name);
                let (_, role) = role.ok_or_else(|| format!("unknown role `{name}`"))?;
                let value = item.value.as_str().ok_or("expects a style in quotes")?;
                theme.0[*role as usize] = style(value, &palette)?;
                Ok(())
            }
            (table, key) => Err(format!(
                "unknown setting `{}`; there are inherits, [palette] and [roles]",
                [table, key].join(".").trim_start_matches('.')
            )),
        }));
        // Text that is no TOML is found by both passes.
        problems.dedup();
        problems.sort_by_key(|p| p.line);
        problems.dedup();
        if problems.is_empty() {
            Ok(theme)
        } else {
            Err(Problems(problems))
        }
    }

    /// The mono theme stripped of any colour: what NO_COLOR asks for.
    pub fn without_colour() -> Self {
        let mut theme = Self::built_in("mono").unwrap_or(Self([Style::new(); Role::ALL.len()]));
        for style in &mut theme.0 {
            (style.fg, style.bg) = (None, None);
        }
        theme
    }

    /// Every role gets its own colour, so that a test can read roles back from a drawn buffer.
    #[cfg(test)]
    pub fn probe() -> Self {
        let mut theme = Self([Style::new(); Role::ALL.len()]);
        for (i, style) in theme.0.iter_mut().enumerate() {
            *style = Style::new().fg(Color::Indexed(i as u8 + 16));
        }
        theme.0[Role::Cursor as usize] = Style::new().add_modifier(Modifier::REVERSED);
        theme.0[Role::Shadow as usize] = Style::new().add_modifier(Modifier::DIM);
        theme
    }
}

/// Words of a style that are no colours.
const WORDS: [&str; 6] = ["on", "bold", "dim", "italic", "underline", "reversed"];

fn colour(name: &str, palette: &BTreeMap<String, Color>) -> Result<Color, String> {
    if let Some(colour) = palette.get(name) {
        return Ok(*colour);
    }
    Color::from_str(name).map_err(|_| format!("unknown colour `{name}`"))
}

/// `"cyan on black bold underline"`; the empty text is no style.
fn style(text: &str, palette: &BTreeMap<String, Color>) -> Result<Style, String> {
    let mut style = Style::new();
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        style = match word {
            "bold" => style.add_modifier(Modifier::BOLD),
            "dim" => style.add_modifier(Modifier::DIM),
            "italic" => style.add_modifier(Modifier::ITALIC),
            "underline" => style.add_modifier(Modifier::UNDERLINED),
            "reversed" => style.add_modifier(Modifier::REVERSED),
            "on" => {
                let name = words.next().ok_or("`on` expects a colour after it")?;
                style.bg(colour(name, palette)?)
            }
            name => style.fg(colour(name, palette)?),
        };
    }
    Ok(style)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_theme_parses_and_tells_head_from_tail_without_colour() {
        for (name, text) in BUILT_IN {
            let theme = Theme::parse(name, text).unwrap_or_else(|e| panic!("{e}"));
            let head = theme.style(Role::Head).add_modifier;
            assert!(head.contains(Modifier::BOLD), "{name}: the head is bold");
            let differs = head != theme.style(Role::Text).add_modifier;
            assert!(differs, "{name}");
            assert_ne!(
                theme.style(Role::Cursor),
                Style::new(),
                "{name}: the cursor is visible"
            );
        }
        let bare = Theme::without_colour();
        assert!(
            Role::ALL
                .iter()
                .all(|(_, r)| bare.style(*r).fg.is_none() && bare.style(*r).bg.is_none())
        );
    }

    #[test]
    fn the_default_theme_styles_every_role_and_keeps_to_sixteen_colours() {
        let (_, text) = BUILT_IN[0];
        for (key, role) in Role::ALL {
            assert!(
                text.contains(&format!("\"{key}\"")),
                "default.toml lacks {key}"
            );
            let style = Theme::built_in("default").unwrap().style(*role);
            for colour in [style.fg, style.bg].into_iter().flatten() {
                assert!(
                    !matches!(colour, Color::Rgb(..) | Color::Indexed(_)),
                    "{key}: {colour}"
                );
            }
        }
    }

    #[test]
    fn a_user_theme_lies_on_a_built_in_one_and_every_bad_line_is_told() {
        let text = "inherits = \"mono\"\n[palette]\nsea = \"#0077be\"\n[roles]\n\"span.head\" = \"sea bold\"\n";
        let theme = Theme::parse("mine.toml", text).unwrap();
        assert_eq!(theme.style(Role::Head).fg, Some(Color::Rgb(0, 0x77, 0xbe)));
        assert_eq!(
            theme.style(Role::Tail),
            Theme::built_in("mono").unwrap().style(Role::Tail)
        );
        let bad = "inherits = \"nope\"\n[palette]\ndim = \"red\"\n[roles]\n\"span.haed\" = \"red\"\n\"ui.dim\" = \"greenish\"\nx = \"on\"\n[more]\ny = 1\n";
        insta::assert_snapshot!(Theme::parse("mine.toml", bad).unwrap_err(), @r"
        6 problems in the settings
          mine.toml:1: `inherits` expects a built-in theme, not `nope`
          mine.toml:3: `dim` cannot name a colour: it means something in a style
          mine.toml:5: unknown role `span.haed`
          mine.toml:6: unknown colour `greenish`
          mine.toml:7: unknown role `x`
          mine.toml:9: unknown setting `more.y`; there are inherits, [palette] and [roles]
        ");
    }
}
