//! The built program, run in a folder of its own that stands for a user's home.

use serde_json::{Value, json};
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;
use tempfile::TempDir;

pub const LIVED: &str = "/people/person/place_lived";
pub const COMPANY: &str = "/business/person/company";

/// A home folder; gone when dropped. Commands run in it, so that names in arguments and messages stay short.
pub struct Home(TempDir);

impl Home {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With a workspace `ws` of the small corpus.
    pub fn with_workspace() -> Self {
        let home = Self::new();
        home.write("train.json", corpus(0..32));
        home.write("dev.json", corpus(32..40));
        home.run("import train.json dev.json -w ws").done();
        home
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// `arguments` are parted at blanks. Nothing of the surrounding user's settings gets in.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = self.surround(Command::new(env!("CARGO_BIN_EXE_redress")));
        command.args(arguments.split_whitespace());
        command
    }

    pub fn shell(&self, script: &str) -> Command {
        let mut command = self.surround(Command::new("sh"));
        command.args(["-c", script]);
        command
    }

    fn surround(&self, mut command: Command) -> Command {
        command
            .current_dir(self.0.path())
            .env("HOME", self.0.path());
        for name in ["CONFIG", "DATA", "CACHE", "STATE"] {
            command.env(format!("XDG_{name}_HOME"), self.path(name));
        }
        for name in ["REDRESS_WORKSPACE", "REDRESS_LOG"] {
            command.env_remove(name);
        }
        command.env("TERM", "dumb").env("USER", "tester");
        command
    }

    pub fn run(&self, arguments: &str) -> Ran {
        self.run_with(arguments, "")
    }

    pub fn run_with(&self, arguments: &str, input: impl AsRef<[u8]>) -> Ran {
        let output = assert_cmd::Command::from_std(self.command(arguments))
            .write_stdin(input.as_ref())
            .timeout(Duration::from_secs(300))
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let ran = Ran {
            what: format!("redress {arguments}"),
            code: output.status.code(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        };
        assert!(!ran.err.contains("panicked"), "{ran}");
        ran
    }

    /// Everything below `name`, so that a test can tell whether it was touched.
    pub fn fingerprint(&self, name: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        hash_below(&self.path(name), &mut hasher);
        hasher.finish()
    }
}

fn hash_below(path: &Path, hasher: &mut DefaultHasher) {
    path.hash(hasher);
    if path.is_dir() {
        let mut inside: Vec<PathBuf> = fs::read_dir(path)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        inside.sort();
        inside.iter().for_each(|p| hash_below(p, hasher));
    } else if let Ok(bytes) = fs::read(path) {
        bytes.hash(hasher);
    }
}

/// How a run ended and what it said.
pub struct Ran {
    what: String,
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, code, .. } = self;
        write!(
            f,
            "`{what}` ended with {code:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.out, self.err
        )
    }
}

impl Ran {
    #[track_caller]
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }
    #[track_caller]
    pub fn done(self) -> Self {
        self.ended(0)
    }
    /// Ended with `code` and said each of `parts` on standard error or output.
    #[track_caller]
    pub fn said(self, code: i32, parts: &[&str]) -> Self {
        let ran = self.ended(code);
        for part in parts {
            assert!(
                ran.out.contains(part) || ran.err.contains(part),
                "lacks {part:?}: {ran}"
            );
        }
        ran
    }
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_str(&self.out) {
            Ok(value) => value,
            Err(error) => panic!("no JSON ({error}): {self}"),
        }
    }
}

const PEOPLE: [&str; 8] = [
    "Ada Lum",
    "Boris Kett",
    "Cora Vane",
    "Dov Marsh",
    "Edda Roy",
    "Finn Oak",
    "Gita Sol",
    "Hal Brandt",
];
const PLACES: [&str; 5] = ["Korvath", "Lower Minth", "Pellan", "Orsk Bay", "Tamm"];
const FIRMS: [&str; 5] = [
    "Nordal Works",
    "Vexia",
    "Ortel Brothers",
    "Quill Press",
    "Zann",
];

/// Sentence `n` of 40 made-up ones, and its relation.
fn sentence(n: usize) -> (String, [&'static str; 3]) {
    let (person, place, firm) = (PEOPLE[n % 8], PLACES[n % 5], FIRMS[(n / 2) % 5]);
    match n % 4 {
        0 => (
            format!("{person} has lived in {place} for {n} years ."),
            [person, LIVED, place],
        ),
        1 => (
            format!("For a decade {person} has been head of {firm} ."),
            [person, COMPANY, firm],
        ),
        2 => (
            format!("In {place} , the home of {person} , it rained ."),
            [person, LIVED, place],
        ),
        _ => (
            format!("{firm} hired {person} on day {n} ."),
            [person, COMPANY, firm],
        ),
    }
}

/// Some of the 40 sentences as CasRel JSON.
pub fn corpus(which: std::ops::Range<usize>) -> String {
    let record = |n| {
        let (text, triple) = sentence(n);
        json!({"text": text, "triple_list": [triple]})
    };
    Value::from_iter(which.map(record)).to_string()
}

/// Settings with which a model is trained in a second.
pub const TINY: &str = "
bilstm_pieces = 150
[fit]
batch = 8
[rates]
encoder = 0.01
heads = 0.02
[rin]
variant = \"emnlp\"
rounds = 1
width = 16
[kernel]
rank = 8
";

/// A small trained model, the same for all tests of this process.
pub fn model() -> &'static Path {
    static MADE: OnceLock<(Home, PathBuf)> = OnceLock::new();
    let (_, path) = MADE.get_or_init(|| {
        let home = Home::with_workspace();
        home.write("tiny.toml", TINY);
        home.run(
            "train -w ws --out model --encoder bilstm --config tiny.toml --epochs 12 --device cpu",
        )
        .done();
        let path = home.path("model");
        (home, path)
    });
    path
}
