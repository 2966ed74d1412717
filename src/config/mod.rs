//! Settings and where files live. Default, then `config.toml`, then the command line: the later wins.
//!
//! Nothing here knows a screen or a workspace. A bad file is reported whole, every problem with its line
//! ([`Problems`]); it is never half used.

mod paths;
mod problem;

pub use paths::Paths;
pub use problem::{Item, Problem, Problems, read};

use std::path::{Path, PathBuf};

/// What a curator can set once for all workspaces.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Name of a built-in theme or of a file in the themes folder, or a path to a TOML file.
    pub theme: String,
    /// Key bindings laid over the defaults.
    pub keymap: Option<PathBuf>,
    /// Signs corrections.
    pub author: String,
    /// Whether the mouse is listened to. The terminal's own selection then needs Shift.
    pub mouse: bool,
}

/// Settings given on the command line; `None` leaves the file's.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Flags {
    pub theme: Option<String>,
    pub keymap: Option<PathBuf>,
    pub author: Option<String>,
    pub mouse: Option<bool>,
}

impl Default for Config {
    fn default() -> Self {
        let author = ["USER", "LOGNAME", "USERNAME"]
            .iter()
            .filter_map(|name| std::env::var(name).ok())
            .find(|name| !name.is_empty());
        Self {
            theme: "default".to_owned(),
            keymap: None,
            author: author.unwrap_or_else(|| "curator".to_owned()),
            mouse: false,
        }
    }
}

impl Config {
    /// Reads `config.toml` and `keymap.toml` of the settings folder, if they are there, and lays the flags on top.
    pub fn load(paths: &Paths, flags: Flags) -> Result<Self, Problems> {
        let mut config = Self::default();
        let file = paths.config_file();
        let keymap = paths.keymap_file();
        if keymap.exists() {
            config.keymap = Some(keymap);
        }
        match std::fs::read_to_string(&file) {
            Ok(text) => config.merge(&file, &text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(Problems(vec![Problem {
                    file: file.display().to_string(),
                    line: 0,
                    message: format!("cannot be read: {error}"),
                }]));
            }
        }
        Ok(config.with(flags))
    }

    fn merge(&mut self, file: &Path, text: &str) -> Result<(), Problems> {
        let problems = read(&file.display().to_string(), text, |item| {
            let expected = |kind: &str| format!("`{}` expects {kind}", item.key);
            let string = || item.value.as_str().map(str::to_owned);
            match (item.table, item.key) {
                ("", "theme") => {
                    self.theme = string().ok_or_else(|| expected("a name in quotes"))?
                }
                ("", "author") => {
                    self.author = string().ok_or_else(|| expected("a name in quotes"))?
                }
                ("", "mouse") => {
                    self.mouse = item
                        .value
                        .as_bool()
                        .ok_or_else(|| expected("true or false"))?
                }
                ("", "keymap") => {
                    let path = string().ok_or_else(|| expected("a path in quotes"))?;
                    // Relative to the file that names it, not to wherever the program was started.
                    let folder = file.parent().unwrap_or(Path::new(""));
                    self.keymap = Some(folder.join(path));
                }
                _ => {
                    let key = [item.table, item.key].join(".");
                    let key = key.trim_start_matches('.');
                    return Err(format!(
                        "unknown setting `{key}`; there are theme, keymap, author and mouse"
                    ));
                }
            }
            Ok(())
        });
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Problems(problems))
        }
    }

    fn with(mut self, flags: Flags) -> Self {
        self.theme = flags.theme.unwrap_or(self.theme);
        self.author = flags.author.unwrap_or(self.author);
        self.mouse = flags.mouse.unwrap_or(self.mouse);
        self.keymap = flags.keymap.or(self.keymap);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(text: &str, flags: Flags) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::under(folder.path());
        std::fs::create_dir_all(&paths.config).unwrap();
        std::fs::write(paths.config_file(), text).unwrap();
        let root = folder.path().display().to_string();
        Config::load(&paths, flags).map_err(|e| e.to_string().replace(&root, ""))
    }

    #[test]
    fn a_flag_beats_the_file_and_the_file_beats_the_default() {
        let file = "theme = \"dark\"\nauthor = \"Ada\"\n";
        let flags = Flags {
            author: Some("Grace".into()),
            ..Flags::default()
        };
        let config = loaded(file, flags).unwrap();
        assert_eq!(
            (config.theme.as_str(), config.author.as_str()),
            ("dark", "Grace")
        );
        assert!(!config.mouse);
        assert_eq!(loaded("", Flags::default()).unwrap().theme, "default");
    }

    #[test]
    fn every_bad_line_is_told_at_once() {
        let error = loaded("theme = 3\n\n[keys]\nx = 1\n", Flags::default()).unwrap_err();
        assert_eq!(
            error,
            "2 problems in the settings\n  /config/config.toml:1: `theme` expects a name in quotes\n  \
             /config/config.toml:4: unknown setting `keys.x`; there are theme, keymap, author and mouse"
        );
    }
}
