//! What bad input gets: a message that names the place and what to do, the right exit code, nothing lost, never a panic.
//! ([`Home::run`] fails on a panic in any command.)

use crate::program::{Home, LIVED, TINY, corpus, model};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Stdio;

/// A good record, for files that are bad elsewhere.
fn good() -> String {
    json!({"text": "Ada Lum left Tamm .", "triple_list": [["Ada Lum", LIVED, "Tamm"]]}).to_string()
}

/// The workspace still opens and holds `sentences`.
#[track_caller]
fn still_holds(home: &Home, sentences: usize) {
    home.run("search -w ws")
        .said(0, &[&format!("{sentences} sentences")]);
    let state = home.run("doctor -w ws --json").json();
    assert_eq!(state["workspace"]["ok"], true, "{state}");
}

#[test]
fn broken_records_are_listed_and_the_rest_is_imported() {
    let good = good();
    let mut record_cut = good.clone();
    record_cut.truncate(30);
    let long_word = json!({"text": "x".repeat(1 << 20), "triple_list": []}).to_string();
    let long_line = json!({"text": "word ".repeat(1 << 18), "triple_list": []}).to_string();
    let huge = json!({"text": "x".repeat(9 << 20), "triple_list": []}).to_string();
    let many_tokens = json!({"text": "word ".repeat(10_000), "triple_list": []}).to_string();
    let missing = r#"{"text": "Ada left .", "triple_list": [["Bo", "r", "Ada"]]}"#;
    // (second record, imported sentences of three, exit code, what is said beside file and line)
    let cases: &[(&[u8], usize, i32, &str)] = &[
        (
            b"{\"text\": \"a \xff b\", \"triple_list\": []}",
            2,
            3,
            "not-utf8",
        ),
        (b"{\"text\": 3, \"triple_list\": []}", 2, 3, "wrong-shape"),
        (
            b"{\"text\": \"a b\", \"triple_list\": \"none\"}",
            2,
            3,
            "wrong-shape",
        ),
        (
            b"{\"text\": \"a b\", \"triple_list\": [[1, 2]]}",
            2,
            3,
            "wrong-shape",
        ),
        (b"[[[[[[[[", 2, 3, "wrong-shape"),
        (b"\x1b[2Jnot json", 2, 3, "bad-json"),
        (
            b"{\"text\": \"  \", \"triple_list\": []}",
            2,
            3,
            "empty-text",
        ),
        (record_cut.as_bytes(), 2, 3, "bad-json"),
        (missing.as_bytes(), 3, 3, "mention-missing"),
        (huge.as_bytes(), 2, 3, "record-too-long"),
        (long_line.as_bytes(), 2, 3, "sentence-too-long"),
        (long_word.as_bytes(), 3, 0, "3 new"),
        (many_tokens.as_bytes(), 3, 0, "3 new"),
    ];
    for (bad, imported, code, says) in cases {
        let home = Home::new();
        let other = good.replace("left", "saw");
        let file = [good.as_bytes(), bad, other.as_bytes()].join(&b'\n');
        home.write("some.jsonl", file);
        let before = home.fingerprint("some.jsonl");
        let ran = home.run("import some.jsonl -w ws").said(*code, &[says]);
        if *code == 3 {
            assert!(ran.out.contains("some.jsonl:2"), "no line: {ran}");
        }
        assert_eq!(
            home.fingerprint("some.jsonl"),
            before,
            "{says}: input changed"
        );
        still_holds(&home, *imported);
    }
}

#[test]
fn a_cut_file_gives_what_came_before_the_cut() {
    let home = Home::new();
    let whole = corpus(0..10);
    home.write("cut.json", &whole[..whole.len() * 3 / 4]);
    let ran = home
        .run("import cut.json -w ws")
        .said(3, &["cut.json:1", "cut-file", "fetch or write it again"]);
    assert!(ran.out.contains("7 new"), "{ran}");
    still_holds(&home, 7);
    let mut packed = Vec::new();
    let mut encoder = flate2::read::GzEncoder::new(whole.as_bytes(), flate2::Compression::best());
    std::io::Read::read_to_end(&mut encoder, &mut packed).unwrap();
    packed.truncate(packed.len() - 12);
    home.write("cut.json.gz", packed);
    home.run("import cut.json.gz -w ws")
        .said(3, &["cut.json.gz", "cut-file"]);
    // The whole file later adds only what is missing.
    home.write("whole.json", whole);
    home.run("import whole.json -w ws").done();
    still_holds(&home, 10);
}

#[test]
fn files_that_cannot_be_read_are_refused_before_anything_is_written() {
    let home = Home::new();
    home.write("good.json", corpus(0..2));
    home.write("empty.json", "");
    home.write("blank.json", "\n\n  \n");
    home.write("list.json", "[]");
    home.write("notes.txt", "dear diary\n");
    home.write("other.json", r#"{"vertexSet": [], "sents": []}"#);
    home.write("wide.json", b"\xff\xfe{\0}\0");
    fs::create_dir(home.path("folder")).unwrap();
    fs::create_dir(home.path("here")).unwrap();
    for (file, says) in [
        ("empty.json", "no records"),
        ("blank.json", "no records"),
        ("list.json", "no records"),
        ("missing.json", "No such file"),
        ("folder", "folder"),
        ("notes.txt", "unknown format"),
        ("other.json", "DocRED"),
        ("wide.json", "iconv -f UTF-16LE"),
    ] {
        for order in [format!("{file} good.json"), format!("good.json {file}")] {
            home.run(&format!("import {order} -w ws"))
                .said(1, &[file, says]);
            assert!(!home.path("ws").exists(), "{file}: a workspace was made");
        }
    }
    for (line, file, says) in [
        ("kb import missing.tsv -w ws", "missing.tsv", "No such file"),
        ("kb import folder -w ws", "folder", "folder"),
        (
            "kb import good.json --names missing.tsv -w ws",
            "missing.tsv",
            "No such file",
        ),
    ] {
        home.run(line).said(1, &[file, says]);
        assert!(!home.path("ws").exists(), "{line}: a workspace was made");
    }
    for (line, file) in [
        ("kb import empty.json -w here", "empty.json"),
        ("kb import notes.txt -w here", "notes.txt"),
        ("import good.json -w good.json", "good.json"),
    ] {
        home.run(line).said(1, &[file]);
    }
    assert_eq!(home.read("good.json"), corpus(0..2).into_bytes());
    home.run("import good.json -w here").done();
}

#[test]
fn commands_on_no_workspace_say_how_to_make_one() {
    let home = Home::new();
    home.write("good.json", corpus(0..2));
    fs::create_dir(home.path("folder")).unwrap();
    let model = model().display();
    for dir in ["nowhere", "folder", "good.json"] {
        for line in [
            "label -w DIR".to_owned(),
            "search -w DIR".to_owned(),
            "evaluate -w DIR".to_owned(),
            "export -w DIR".to_owned(),
            format!("predict -w DIR --model {model}"),
            "train -w DIR --out m --encoder bilstm".to_owned(),
        ] {
            let ran = home.run(&line.replace("DIR", dir)).said(1, &[dir]);
            if dir != "good.json" {
                assert!(ran.err.contains("redress import"), "{ran}");
            }
        }
    }
    assert!(!home.path("nowhere").exists(), "made by asking");
    assert_eq!(fs::read_dir(home.path("folder")).unwrap().count(), 0);
    // Neither flag nor variable: the default place, which is named.
    home.run("search")
        .said(1, &["workspaces/default", "redress import"]);
}

#[test]
fn long_lines_and_sentences_pass_through_the_filter() {
    let home = Home::new();
    let filter = format!("predict --model {} --device cpu", model().display());
    let line = |text: String| json!({ "text": text }).to_string() + "\n";
    let input = [
        line("word ".repeat(10_000)),
        line("x".repeat(1 << 20)),
        line("word ".repeat(1 << 18)),
        line("Ada Lum left Tamm .".to_owned()),
    ];
    let ran = home
        .run_with(&filter, input.concat())
        .said(3, &["1 of 4 lines"]);
    let out: Vec<Value> = ran
        .out
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(out.len(), 4);
    assert_eq!(out[0]["tokens"].as_array().unwrap().len(), 10_000);
    // What the encoder did not see is told.
    assert!(
        out[0]["covered"].as_u64().unwrap() < 10_000,
        "{}",
        out[0]["covered"]
    );
    assert!(
        out[2]["error"].as_str().unwrap().contains("tokens"),
        "{}",
        out[2]
    );
    assert!(out[3]["error"].is_null());
}

#[test]
fn models_that_are_none_are_told_apart() {
    let home = Home::with_workspace();
    let copy = |name: &str| {
        fs::create_dir(home.path(name)).unwrap();
        for entry in fs::read_dir(model()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), home.path(name).join(entry.file_name())).unwrap();
        }
    };
    fs::create_dir(home.path("hollow")).unwrap();
    for name in [
        "foreign",
        "garbled",
        "cut",
        "swapped",
        "unweighted",
        "untokenized",
        "newer",
        "other",
    ] {
        copy(name);
    }
    home.write(
        "foreign/config.json",
        r#"{"model_type": "gpt2", "n_layer": 12}"#,
    );
    home.write("garbled/config.json", "\x1b[31m{");
    let weights = home.read("cut/model.safetensors");
    home.write("cut/model.safetensors", &weights[..weights.len() / 2]);
    home.write("swapped/model.safetensors", "not weights at all");
    fs::remove_file(home.path("unweighted/model.safetensors")).unwrap();
    home.write("untokenized/tokenizer.json", "{}");
    let mut config: Value = serde_json::from_slice(&home.read("newer/config.json")).unwrap();
    config["version"] = json!(99);
    home.write("newer/config.json", config.to_string());
    config["version"] = json!(1);
    config["labels"]
        .as_array_mut()
        .unwrap()
        .push(json!("one/too/many"));
    home.write("other/config.json", config.to_string());

    let before = home.fingerprint("ws/workspace.db");
    for (model, says) in [
        ("nowhere", "no config.json"),
        ("hollow", "no config.json"),
        ("train.json", "train.json"),
        ("foreign", "config.json of a redress model"),
        ("garbled", "config.json of a redress model"),
        ("cut", "cut/model.safetensors is damaged"),
        ("swapped", "swapped/model.safetensors is damaged"),
        ("unweighted", "no model.safetensors"),
        ("untokenized", "tokenizer"),
        ("newer", "newer redress"),
        ("other", "has shape"),
    ] {
        for line in [
            format!("predict -w ws --model {model}"),
            format!("predict --model {model}"),
            format!("evaluate -w ws --model {model}"),
            format!("train -w ws --out m --from {model}"),
        ] {
            let ran = home.run(&line).said(1, &[model, says]);
            assert!(ran.out.is_empty() && !ran.err.contains('\x1b'), "{ran}");
        }
    }
    assert_eq!(home.fingerprint("ws/workspace.db"), before);
    still_holds(&home, 40);
    if !cfg!(feature = "embedded-model") {
        home.run("predict -w ws")
            .said(1, &["without the embedded model", "--model DIR"]);
    }
    home.run("predict -w ws --device abacus")
        .said(1, &["abacus", "cpu"]);
}

#[test]
fn a_model_that_went_away_is_named() {
    let home = Home::with_workspace();
    let copy = home.path("copy");
    fs::create_dir(&copy).unwrap();
    for entry in fs::read_dir(model()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    home.run("predict -w ws --model copy --device cpu").done();
    fs::remove_dir_all(&copy).unwrap();
    home.run("predict -w ws --device cpu --again")
        .said(1, &["copy", "--model"]);
    // Its predictions are still there.
    home.run("evaluate -w ws").said(0, &["40 sentences"]);
    home.run("search -w ws pred:unknown")
        .said(0, &["0 sentences"]);
}

#[test]
fn settings_that_do_not_fit_are_named_with_their_line() {
    let home = Home::with_workspace();
    home.write("odd.toml", "bilstm_pieces = 100\n[fit]\nepoch = 3\n");
    home.write("type.toml", "[fit]\nepochs = \"three\"\n");
    home.write("broken.toml", "[fit\n");
    home.write("bytes.toml", b"\xff\xfe");
    home.write("zero.toml", format!("{TINY}\n[fit.x]\n"));
    home.write("map.toml", "[map]\n\"/people/person/place_lived\" = 7\n");
    for (file, says) in [
        ("odd.toml", "line 3"),
        ("type.toml", "line 2"),
        ("broken.toml", "line 1"),
        ("bytes.toml", "UTF-8"),
        ("missing.toml", "No such file"),
    ] {
        let line = format!("train -w ws --out m --encoder bilstm --config {file}");
        home.run(&line).said(1, &[file, says]);
    }
    home.run("label -w ws --map map.toml")
        .said(1, &["map.toml", "line 2"]);
    home.run("label -w ws --map no-such-map")
        .said(1, &["no-such-map", "nyt24"]);
    home.run("train -w ws --out m --encoder no-such-encoder")
        .said(1, &["no-such-encoder"]);
    home.run("train -w ws --out train.json --encoder bilstm --config odd.toml")
        .ended(1);
    assert!(!home.path("m").exists() && !home.path("m.training").exists());
}

#[test]
fn a_training_that_cannot_be_is_refused_with_the_reason() {
    let home = Home::new();
    home.write("tiny.toml", TINY);
    home.write("bare.jsonl", r#"{"tokens": ["a", "b"], "entities": [{"type": "X", "start": 0, "end": 1}], "relations": []}"#);
    home.run("import bare.jsonl -w ws").done();
    let line = "train -w ws --out m --encoder bilstm --config tiny.toml --device cpu";
    home.run(line)
        .said(1, &["no label stands", "redress label"]);
    home.run(&format!("{line} --resume")).ended(1);

    let home = Home::with_workspace();
    home.write("tiny.toml", TINY);
    home.run(&format!("{line} --resume"))
        .said(1, &["m.training", "no checkpoint"]);
    // A place where something else is: refused, and not after hours of training.
    fs::create_dir(home.path("m")).unwrap();
    home.write("m/thesis.txt", "years of work");
    home.write("notes", "years of work");
    for (out, says) in [
        ("m", "m: a directory without config.json"),
        ("notes", "notes: this is a file"),
        ("notes/m", "notes/m: a model cannot be written here"),
    ] {
        let line = line.replace("--out m", &format!("--out {out}"));
        let ran = home.run(&line).said(1, &[says]);
        assert!(!ran.err.contains("epoch"), "trained for nothing: {ran}");
    }
    assert_eq!(home.read("notes"), b"years of work");
    assert_eq!(home.read("m/thesis.txt"), b"years of work");
    still_holds(&home, 40);
}

#[test]
fn workspaces_that_are_none_ours_or_newer_are_left_alone() {
    let home = Home::with_workspace();
    let whole = home.read("ws/workspace.db");
    let with_word = |at: usize, value: u32| {
        let mut bytes = whole.clone();
        bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
        bytes
    };
    let cases: [(&str, Vec<u8>, &str); 5] = [
        ("newer", with_word(60, 7), "written by a newer redress"),
        ("foreign", with_word(68, 1), "not a redress workspace"),
        ("text", b"dear diary".to_vec(), "not a redress workspace"),
        ("nothing", Vec::new(), "not a redress workspace"),
        (
            "cut",
            whole[..whole.len() - 5000].to_vec(),
            "restore it from a copy",
        ),
    ];
    home.write("tiny.toml", TINY);
    let model = model().display();
    for (name, bytes, says) in cases {
        fs::create_dir(home.path(name)).unwrap();
        let file = format!("{name}/workspace.db");
        home.write(&file, &bytes);
        for line in [
            format!("import train.json -w {name}"),
            format!("kb import train.json -w {name}"),
            format!("label -w {name}"),
            format!("search -w {name}"),
            format!("evaluate -w {name}"),
            format!("export -w {name}"),
            format!("predict -w {name} --model {model}"),
            format!("train -w {name} --out m --encoder bilstm --config tiny.toml"),
        ] {
            home.run(&line).said(1, &[name, says]);
        }
        home.run(&format!("doctor -w {name}"))
            .said(3, &["FAIL workspace", says]);
        home.run(&format!("info -w {name}")).said(0, &[says]);
        assert_eq!(home.read(&file), bytes, "{name} was touched");
        assert!(!home.path(&format!("{name}/workspace.db-wal")).exists());
    }
    // A lost or damaged index is no loss.
    for damage in ["remove", "garble"] {
        let index = home.path("ws/index");
        match damage {
            "remove" => fs::remove_dir_all(&index).unwrap(),
            _ => fs::read_dir(&index)
                .unwrap()
                .for_each(|e| fs::write(e.unwrap().path(), "garbage").unwrap()),
        }
        still_holds(&home, 40);
    }
}

#[test]
fn a_second_process_is_told_who_has_the_workspace() {
    let home = Home::with_workspace();
    home.write("more.json", corpus(0..1).replace("years", "days"));
    // An import from standard input holds the workspace until its input ends.
    let mut first = home
        .command("import - -w ws")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let holder = format!("process {}", first.id());
    let held = || {
        fs::read_to_string(home.path("ws/workspace.lock"))
            .is_ok_and(|pid| pid == first.id().to_string())
    };
    for _ in 0..600 {
        if held() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(held(), "the first process never took the lock");
    let model = model().display();
    for line in [
        "import more.json -w ws".to_owned(),
        "label -w ws".to_owned(),
        format!("predict -w ws --model {model}"),
    ] {
        home.run(&line).said(1, &["ws", &holder, "close the other"]);
    }
    // Reading is allowed meanwhile.
    home.run("export -w ws --format casrel")
        .said(0, &["40 sentences"]);
    home.run("info -w ws").said(0, &["40"]);
    home.run("search -w ws ada").done();
    // Even a kill leaves the workspace free and whole.
    first.kill().unwrap();
    first.wait().unwrap();
    home.run("import more.json -w ws").said(0, &["1 new"]);
    still_holds(&home, 41);
}

const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{7f}";

/// A corpus, a knowledge base and arguments full of escape sequences.
#[test]
fn no_escape_sequence_of_the_input_reaches_the_terminal() {
    let home = Home::new();
    let (relation, kind) = (format!("rel{HOSTILE}"), format!("KIND{HOSTILE}"));
    let words = json!(["Ada", format!("Lum{HOSTILE}"), "left", "Tamm"]);
    let good = json!({"tokens": words, "orig_id": HOSTILE,
        "entities": [{"type": kind, "start": 0, "end": 2}, {"type": kind, "start": 3, "end": 4}],
        "relations": [{"type": relation, "head": 0, "tail": 1}]});
    let bad = json!({"tokens": words, "entities": [{"type": kind, "start": 0, "end": 9}], "relations": [], HOSTILE: 1});
    let file = format!("a{}.jsonl", "\u{1b}[1m\u{9b}5m");
    home.write(&file, format!("{good}\n{bad}\n{HOSTILE}\n"));
    home.write(
        "facts.tsv",
        format!("/m/a\t{relation}\t/m/t\nshort {HOSTILE}\n"),
    );
    home.write(
        "names.tsv",
        format!("/m/a\tAda Lum{HOSTILE}\n/m/t\tTamm\n{HOSTILE}\n"),
    );
    home.write("tiny.toml", TINY);
    let model = model().display();
    let train =
        "train -w ws --encoder bilstm --config tiny.toml --epochs 1 --device cpu --systems kernel";
    let hostile_model = format!("--model out{HOSTILE} --device cpu");
    for (line, code) in [
        (format!("import {file} -w ws"), 3),
        (format!("import {file} -w ws --json"), 3),
        (format!("import no{HOSTILE} -w ws"), 1),
        ("kb import facts.tsv --names names.tsv -w ws".to_owned(), 3),
        (
            "kb import facts.tsv --names names.tsv -w ws --json".to_owned(),
            3,
        ),
        ("label -w ws --map identity".to_owned(), 0),
        ("label -w ws --map identity --json".to_owned(), 0),
        (format!("label -w ws --map no{HOSTILE}"), 1),
        ("search -w ws".to_owned(), 0),
        ("search -w ws --json".to_owned(), 0),
        (format!("search -w ws gold:x{HOSTILE}"), 2),
        ("search -w ws gold:re".to_owned(), 2),
        ("info -w ws".to_owned(), 0),
        ("info -w ws --json".to_owned(), 0),
        (format!("info -w no{HOSTILE}"), 0),
        (format!("search -w no{HOSTILE}"), 1),
        (format!("{train} --out out{HOSTILE}"), 0),
        (format!("{train} --out out{HOSTILE} --json"), 0),
        (format!("predict -w ws {hostile_model}"), 0),
        (format!("predict -w ws {hostile_model} --json"), 0),
        ("evaluate -w ws".to_owned(), 0),
        ("evaluate -w ws --json".to_owned(), 0),
        (format!("predict --model {model} --device cpu"), 3),
        (format!("predict --model {HOSTILE}"), 1),
        (format!("evaluate -w ws --model {HOSTILE}"), 1),
        ("export -w ws".to_owned(), 0),
        ("export -w ws --format casrel".to_owned(), 0),
        ("export -w ws --format spert".to_owned(), 0),
        (format!("export -w ws -o x{HOSTILE}/y"), 1),
    ] {
        let input = format!("{good}\n{HOSTILE}\n{{\"text\": \"a \u{9b} b\"}}\n");
        let ran = home.run_with(&line, input).ended(code);
        let export = line.starts_with("export");
        let obeyed = |c: char| {
            // An export is data: its JSON keeps what JSON allows.
            c == '\u{1b}' || (c.is_control() && c != '\n' && !export)
        };
        assert!(
            !ran.out.contains(obeyed) && !ran.err.contains(obeyed),
            "{}",
            ran.to_string().escape_debug()
        );
    }
}

/// True where permissions mean nothing (root) or there are none to set.
#[cfg(unix)]
fn writable_all_the_same(dir: &Path) -> bool {
    let probe = dir.join("probe");
    let wrote = fs::write(&probe, "").is_ok();
    let _ = fs::remove_file(probe);
    wrote
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_named_and_still_read() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::with_workspace();
    let set =
        |mode| fs::set_permissions(home.path("ws"), fs::Permissions::from_mode(mode)).unwrap();
    home.write("more.json", corpus(0..1).replace("years", "days"));
    set(0o555);
    if writable_all_the_same(&home.path("ws")) {
        eprintln!("skipped: this user may write anywhere (root), so no folder is read-only");
    } else {
        home.run("import more.json -w ws")
            .said(1, &["ws", "permissions"]);
        home.run("export -w ws --format casrel")
            .said(0, &["40 sentences"]);
    }
    set(0o755);
    // /proc takes no new files from anybody.
    if cfg!(target_os = "linux") {
        home.run("import train.json -w /proc/redress-test")
            .said(1, &["/proc/redress-test"]);
        home.run("export -w ws -o /proc/redress-test")
            .said(1, &["/proc/redress-test", "nothing was changed"]);
    }
    still_holds(&home, 40);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_the_output_is_an_error_not_a_panic() {
    let home = Home::with_workspace();
    home.write("line.jsonl", "{\"text\": \"Ada Lum left Tamm .\"}\n");
    let program = env!("CARGO_BIN_EXE_redress");
    let model = model().display();
    for line in [
        "export -w ws".to_owned(),
        "search -w ws".to_owned(),
        "search -w ws --json".to_owned(),
        "info -w ws".to_owned(),
        "completions bash".to_owned(),
        "man".to_owned(),
        format!("predict --model {model} --device cpu"),
    ] {
        let script = format!("{program} {line} < line.jsonl > /dev/full");
        let output = home.shell(&script).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{line}: {said}");
        assert!(
            said.contains("No space left") && !said.contains("panicked"),
            "{line}: {said}"
        );
    }
}

/// A file system of 3 MB, unmounted when dropped.
#[cfg(target_os = "linux")]
struct SmallDisk(std::path::PathBuf);

#[cfg(target_os = "linux")]
impl SmallDisk {
    /// `None` where this user may not mount.
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir(at).ok()?;
        let mut mount = std::process::Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=3m", "tmpfs"])
            .arg(at);
        let output = mount.output().ok()?;
        output.status.success().then(|| Self(at.to_owned()))
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_loses_nothing_that_was_there() {
    let home = Home::new();
    let Some(_disk) = SmallDisk::mount(&home.path("disk")) else {
        eprintln!("skipped: this user may not mount a small file system");
        return;
    };
    home.write("first.json", corpus(0..40));
    let many = (0..20_000).map(|n| json!({"text": format!("Ada Lum left Tamm {n} times ."), "triple_list": [["Ada Lum", LIVED, "Tamm"]]}).to_string() + "\n");
    home.write("many.jsonl", many.collect::<String>());
    home.run("import first.json -w disk/ws").done();
    let before = home.run("export -w disk/ws --format casrel").done().out;
    let full = home.run("import many.jsonl -w disk/ws");
    assert_eq!(full.code, Some(1), "{full}");
    assert!(
        full.err.contains("disk is full") || full.err.contains("No space left"),
        "{full}"
    );
    let state = home.run("doctor -w disk/ws --json").json();
    assert_eq!(state["workspace"]["ok"], true, "{state}");
    let after = home.run("export -w disk/ws --format casrel").done().out;
    let (before, after): (Vec<Value>, Vec<Value>) = (
        serde_json::from_str(&before).unwrap(),
        serde_json::from_str(&after).unwrap(),
    );
    assert_eq!(before, after[..before.len()], "sentences of before");
    // An export to the full disk leaves no half file.
    fs::write(home.path("disk/fill"), vec![0; 4 << 20]).unwrap_err();
    home.run("export -w disk/ws -o disk/out.json")
        .said(1, &["disk/out.json", "nothing was changed"]);
    assert!(!home.path("disk/out.json").exists());
    // With space again the import goes on where it stopped.
    fs::remove_file(home.path("disk/fill")).unwrap();
}
