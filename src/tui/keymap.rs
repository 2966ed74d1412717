//! From keys to actions: the defaults of the action table with the user's `keymap.toml` on top.
//!
//! Everything wrong with a key map is found when it is read, all of it at once: unknown keys and actions, two meanings
//! for one key, and a key that begins a longer sequence (the longer one could never be typed without a timeout).

use super::action::{Action, Context};
use crate::config::{Item, Problem, Problems, read};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// One key press. Shift is part of a character, not a modifier: terminals disagree on whether they send it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd)]
pub struct Key(pub KeyCode, pub KeyModifiers);

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Self {
        let mut modifiers =
            event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        if matches!(event.code, KeyCode::Char(_) | KeyCode::BackTab) {
            modifiers.remove(KeyModifiers::SHIFT);
        }
        Key(event.code, modifiers)
    }
}

const NAMED: &[(&str, KeyCode)] = &[
    ("space", KeyCode::Char(' ')),
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("backtab", KeyCode::BackTab),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pageup", KeyCode::PageUp),
    ("pagedown", KeyCode::PageDown),
];

impl FromStr for Key {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (mut rest, mut modifiers) = (text, KeyModifiers::NONE);
        for (prefix, modifier) in [
            ("ctrl-", KeyModifiers::CONTROL),
            ("alt-", KeyModifiers::ALT),
        ] {
            if let Some(after) = rest.strip_prefix(prefix).filter(|r| !r.is_empty()) {
                rest = after;
                modifiers |= modifier;
            }
        }
        let function = rest.strip_prefix('f').and_then(|n| n.parse().ok());
        let mut chars = rest.chars();
        let code = if let Some((_, code)) = NAMED.iter().find(|(name, _)| *name == rest) {
            *code
        } else if let Some(n @ 1..=12) = function {
            KeyCode::F(n)
        } else {
            match (chars.next(), chars.next()) {
                (Some(c), None) if !c.is_whitespace() && !c.is_control() => KeyCode::Char(c),
                _ => return Err(format!("unknown key `{text}`")),
            }
        };
        Ok(Key(code, modifiers))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.1.contains(KeyModifiers::CONTROL) {
            f.write_str("ctrl-")?;
        }
        if self.1.contains(KeyModifiers::ALT) {
            f.write_str("alt-")?;
        }
        match (NAMED.iter().find(|(_, code)| *code == self.0), self.0) {
            (Some((name, _)), _) => f.write_str(name),
            (None, KeyCode::Char(c)) => write!(f, "{c}"),
            (None, KeyCode::F(n)) => write!(f, "f{n}"),
            (None, _) => f.write_str("?"),
        }
    }
}

/// What the keys pressed so far mean.
#[derive(Debug, PartialEq, Eq)]
pub enum Lookup<'a> {
    Run(&'a [Action]),
    /// They begin a longer sequence.
    Pending,
    None,
}

#[derive(Debug, Clone)]
struct Binding {
    keys: Vec<Key>,
    actions: Vec<Action>,
    /// Line of the user's file; 0 for a default.
    line: usize,
}

#[derive(Debug, Clone)]
pub struct Keymap(BTreeMap<Context, Vec<Binding>>);

/// Which contexts are looked up together, the nearest first.
pub const STACKS: &[&[Context]] = &[
    &[Context::Corpus, Context::Nav, Context::App],
    &[Context::Errors, Context::Nav, Context::App],
    &[Context::Sentence, Context::Nav, Context::App],
    &[Context::Span, Context::App],
    &[Context::Overlay, Context::Nav, Context::App],
    &[Context::Disputes, Context::Nav, Context::App],
];

impl Default for Keymap {
    fn default() -> Self {
        let mut map: BTreeMap<Context, Vec<Binding>> = BTreeMap::new();
        for entry in Action::table() {
            for keys in entry.keys {
                // A test parses every default.
                if let Ok(keys) = sequence(keys) {
                    let actions = vec![entry.action];
                    map.entry(entry.context).or_default().push(Binding {
                        keys,
                        actions,
                        line: 0,
                    });
                }
            }
        }
        Self(map)
    }
}

fn sequence(text: &str) -> Result<Vec<Key>, String> {
    let keys: Result<Vec<Key>, String> = text.split_whitespace().map(str::parse).collect();
    keys.and_then(|k| {
        if k.is_empty() {
            Err("expects a key, found nothing".into())
        } else {
            Ok(k)
        }
    })
}

fn spelled(keys: &[Key]) -> String {
    let keys: Vec<String> = keys.iter().map(Key::to_string).collect();
    keys.join(" ")
}

impl Keymap {
    /// The defaults with `text`, the content of `file`, on top.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let mut map = Self::default();
        let mut problems = read(file, text, |item| map.bind(&item));
        problems.extend(map.conflicts().into_iter().map(|(line, message)| Problem {
            file: file.to_owned(),
            line,
            message,
        }));
        problems.sort_by_key(|p| p.line);
        problems.dedup();
        if problems.is_empty() {
            Ok(map)
        } else {
            Err(Problems(problems))
        }
    }

    fn bind(&mut self, item: &Item<'_>) -> Result<(), String> {
        let context = Context::ALL.iter().find(|c| c.name() == item.table);
        let context = *context.ok_or_else(|| {
            let names: Vec<String> = Context::ALL
                .iter()
                .map(|c| format!("[{}]", c.name()))
                .collect();
            format!("`{}` must stand in one of {}", item.key, names.join(" "))
        })?;
        let keys = sequence(item.key)?;
        let names: Vec<&str> = match (item.value.as_str(), item.value.as_array()) {
            (Some("none"), _) => vec![],
            (Some(name), _) => vec![name],
            (None, Some(list)) => list
                .iter()
                .map(|v| v.get_ref().as_str().unwrap_or(""))
                .collect(),
            (None, None) => {
                return Err(format!(
                    "`{}` expects the name of an action, or a list of names",
                    item.key
                ));
            }
        };
        let mut actions = Vec::new();
        for name in names {
            let action: Action = name.parse()?;
            let home = action.entry().context;
            let reachable = STACKS
                .iter()
                .any(|s| s.contains(&context) && s.contains(&home));
            if !reachable {
                return Err(format!("`{name}` does nothing in [{}]", context.name()));
            }
            actions.push(action);
        }
        let bindings = self.0.entry(context).or_default();
        if let Some(twin) = bindings.iter().find(|b| b.keys == keys && b.line > 0) {
            return Err(format!(
                "`{}` is bound on line {} already",
                item.key, twin.line
            ));
        }
        // The user's binding replaces the default for the same keys, and defaults that the same keys begin or end.
        bindings.retain(|b| b.line > 0 || (b.keys != keys));
        bindings.push(Binding {
            keys,
            actions,
            line: item.line,
        });
        Ok(())
    }

    /// (line, message) for each pair of bindings that cannot live together.
    fn conflicts(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for stack in STACKS {
            let all: Vec<(&Context, &Binding)> = stack
                .iter()
                .flat_map(|c| self.0.get(c).into_iter().flatten().map(move |b| (c, b)))
                .collect();
            for (i, (context_a, a)) in all.iter().enumerate() {
                for (context_b, b) in &all[i + 1..] {
                    if a.actions.is_empty() || b.actions.is_empty() {
                        continue;
                    }
                    let (a_keys, b_keys) = (spelled(&a.keys), spelled(&b.keys));
                    let message = if a.keys == b.keys {
                        format!(
                            "`{a_keys}` means two things: [{}] and [{}]",
                            context_a.name(),
                            context_b.name()
                        )
                    } else if b.keys.starts_with(&a.keys) {
                        format!(
                            "`{a_keys}` [{}] begins `{b_keys}` [{}]",
                            context_a.name(),
                            context_b.name()
                        )
                    } else if a.keys.starts_with(&b.keys) {
                        format!(
                            "`{b_keys}` [{}] begins `{a_keys}` [{}]",
                            context_b.name(),
                            context_a.name()
                        )
                    } else {
                        continue;
                    };
                    found.push((a.line.max(b.line), message));
                }
            }
        }
        found.sort();
        found.dedup();
        // A key that begins five sequences is one mistake.
        found.dedup_by(|later, first| later.0 == first.0 && first.0 > 0);
        found
    }

    pub fn lookup(&self, contexts: &[Context], pressed: &[Key]) -> Lookup<'_> {
        let mut pending = false;
        for context in contexts {
            for binding in self.0.get(context).into_iter().flatten() {
                if binding.actions.is_empty() {
                    continue;
                }
                if binding.keys == pressed {
                    return Lookup::Run(&binding.actions);
                }
                pending |= binding.keys.starts_with(pressed);
            }
        }
        if pending {
            Lookup::Pending
        } else {
            Lookup::None
        }
    }

    /// Every key sequence that runs `action` alone; the user's own first.
    pub fn keys_of(&self, action: Action) -> Vec<String> {
        let mut found: Vec<&Binding> = self
            .0
            .values()
            .flatten()
            .filter(|b| b.actions == [action])
            .collect();
        found.sort_by_key(|b| b.line == 0);
        found.iter().map(|b| spelled(&b.keys)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::action::{Nav, Sentence};

    #[test]
    fn the_defaults_have_no_conflict_and_need_no_special_terminal() {
        assert_eq!(Keymap::default().conflicts(), []);
        for entry in Action::table() {
            assert!(
                !entry.doc.is_empty() && entry.doc.ends_with('.'),
                "{}",
                entry.name
            );
            for keys in entry.keys {
                for key in sequence(keys).unwrap() {
                    assert_eq!(key.to_string().parse(), Ok(key));
                    // Terminals send tab, enter, backspace for these, and nothing of its own for ctrl with a digit.
                    if let Key(KeyCode::Char(c), KeyModifiers::CONTROL) = key {
                        assert!(c.is_ascii_lowercase() && !"himj[s".contains(c), "{keys}");
                    }
                    assert!(!key.1.contains(KeyModifiers::ALT), "{keys}");
                }
            }
        }
    }

    #[test]
    fn sequences_wait_and_the_nearest_context_wins() {
        let map = Keymap::parse(
            "k.toml",
            "[sentence]\na = [\"sentence.accept\", \"nav.down\"]\n",
        )
        .unwrap();
        let g: Key = "g".parse().unwrap();
        let a: Key = "a".parse().unwrap();
        let stack = STACKS[2];
        assert_eq!(map.lookup(stack, &[g]), Lookup::Pending);
        assert_eq!(
            map.lookup(stack, &[g, g]),
            Lookup::Run(&[Action::Nav(Nav::First)])
        );
        let both = [Action::Sentence(Sentence::Accept), Action::Nav(Nav::Down)];
        assert_eq!(map.lookup(stack, &[a]), Lookup::Run(&both));
        let z: Key = "z".parse().unwrap();
        assert_eq!(map.lookup(stack, &[g, z]), Lookup::None);
        assert_eq!(map.keys_of(Action::Nav(Nav::Down)), ["j", "down"]);
    }

    #[test]
    fn every_bad_line_is_told_at_once() {
        let text = "[sentence]\nb = \"sentence.acept\"\nhyper-x = \"app.quit\"\ng = \"app.help\"\nj = \"sentence.accept\"\n\
                    1 = 4\nz = \"corpus.open\"\n[review]\nb = \"app.quit\"\n[nav]\n\"ctrl-o\" = \"nav.up\"\n\"  ctrl-o\" = \"nav.down\"\n";
        insta::assert_snapshot!(Keymap::parse("keymap.toml", text).unwrap_err(), @r"
        8 problems in the settings
          keymap.toml:2: unknown action `sentence.acept`
          keymap.toml:3: unknown key `hyper-x`
          keymap.toml:4: `g` [sentence] begins `g a` [app]
          keymap.toml:5: `j` means two things: [sentence] and [nav]
          keymap.toml:6: `1` expects the name of an action, or a list of names
          keymap.toml:7: `corpus.open` does nothing in [sentence]
          keymap.toml:9: `b` must stand in one of [corpus] [errors] [disputes] [sentence] [span] [overlay] [nav] [app]
          keymap.toml:12: `  ctrl-o` is bound on line 11 already
        ");
    }

    #[test]
    fn a_freed_key_can_be_given_away() {
        let text = "[nav]\nj = \"none\"\n[sentence]\nj = \"sentence.reject\"\n";
        let map = Keymap::parse("k.toml", text).unwrap();
        let j: Key = "j".parse().unwrap();
        assert_eq!(
            map.lookup(STACKS[2], &[j]),
            Lookup::Run(&[Action::Sentence(Sentence::Reject)])
        );
        assert_eq!(map.lookup(STACKS[0], &[j]), Lookup::None);
    }
}
