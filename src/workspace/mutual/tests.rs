use super::held_out::HeldOut;
use super::training::{MutualTraining, train_systems};
use super::*;
use crate::domain::{Prediction, RunId, ScoredTriple, Scores, Sentence, SentenceId, Split};
use crate::kb::read_types;
use crate::model::files::{CARD, CONFIG};
use crate::model::hrere::Bag;
use crate::model::mutual::bank::WEIGHTS;
use crate::model::mutual::{EntityFacts, LineConfig, MutualConfig};
use crate::model::sentence::save;
use crate::train::fit::FitOptions;
use crate::train::mutual::MutualOptions;
use crate::workspace::bags::tests::{World, triple, world};
use crate::workspace::bags::training::Keep;
use crate::workspace::graph::{
    GraphOptions, build_graph, count, graph_file, neighbours, read_graph,
};
use crate::workspace::knowledge::Knowledge;
use crate::workspace::messages::Explanation;
use crate::workspace::models::ModelChoice;
use crate::workspace::training::{Around, Start, TrainConfig, TrainEvent, TrainOptions};
use candle_core::Device;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

fn line() -> LineConfig {
    LineConfig {
        dim: 4,
        samples: Some(2000),
        ..LineConfig::default()
    }
}

fn settings() -> MutualSettings {
    let usual = MutualSettings::default();
    MutualSettings {
        negatives: 9.0,
        line: line(),
        model: MutualConfig {
            project: 0,
            position_dim: 4,
            filters: 12,
            dropout: 0.0,
            mutual_layers: vec![12],
            type_layers: vec![12],
            ..usual.model.clone()
        },
        train: MutualOptions {
            fit: FitOptions {
                epochs: 60,
                batch: 8,
                patience: 60,
                ..usual.train.fit.clone()
            },
            rate: 0.02,
            ..usual.train.clone()
        },
        ..usual
    }
}

fn graph_options(leave_out_dev: bool) -> GraphOptions {
    GraphOptions {
        line: line(),
        leave_out_dev,
        ..GraphOptions::default()
    }
}

#[test]
fn the_graph_counts_what_it_is_told_and_its_file_is_whole() {
    let world = world();
    let dir = world.workspace.dir().to_owned();
    let build = |leave_out_dev: bool, out: Option<&std::path::Path>, force: bool| {
        build_graph(&dir, &graph_options(leave_out_dev), out, force, &mut |_| {
            ControlFlow::Continue(())
        })
    };
    let (file, all) = build(false, None, false).unwrap().unwrap();
    assert_eq!(file, graph_file(&dir));
    // Eleven sentences, eleven ends: Zoe has no link and goes by her name. Ann and Rome are seen twice.
    assert_eq!((all.sentences, all.left_out), (11, 0));
    assert_eq!((all.entities, all.vertices), (11, 11));
    assert_eq!((all.pairs, all.edges), (10, 10));
    assert!(all.objectives.first[1] < all.objectives.first[0]);
    let (_, train) = build(true, None, false).unwrap().unwrap();
    assert_eq!((train.sentences, train.left_out, train.vertices), (8, 3, 8));

    let vectors = read_graph(&file).unwrap();
    assert_eq!(vectors.about["left_out"], "dev, test");
    let near = neighbours(&vectors, "ann", 3).unwrap();
    assert_eq!((near.entity.as_str(), near.near.len()), ("Ann", 3));
    let nobody = neighbours(&vectors, "Zoe", 3).unwrap_err().to_string();
    assert!(nobody.contains("no graph vector"), "{nobody}");

    let other = dir.join("other.safetensors");
    assert!(build(true, Some(&other), false).unwrap().is_some());
    let taken = build(true, Some(&other), false).unwrap_err().to_string();
    assert!(taken.contains("--force"), "{taken}");
    assert!(build(true, Some(&other), true).unwrap().is_some());
    let before = std::fs::read(&other).unwrap();
    let stopped = build_graph(&dir, &graph_options(false), Some(&other), true, &mut |_| {
        ControlFlow::Break(())
    });
    assert!(stopped.unwrap().is_none());
    assert_eq!(std::fs::read(&other).unwrap(), before, "stopped: as it was");
}

fn scorer(world: &World, types: &str) -> (MutualScorer, super::training::MutualReport) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("types.tsv");
    std::fs::write(&file, types).unwrap();
    let types = read_types(&file).unwrap();
    let trained = train_systems(MutualTraining {
        reader: world.workspace.read(),
        workspace: world.workspace.dir(),
        model: &world.model,
        settings: &settings(),
        graph: None,
        types: Some(&types),
        keep: None,
        say: &mut |_| {},
        step: &mut |_| {},
        cancelled: &|| false,
    });
    let (bank, report) = trained.unwrap().unwrap();
    (MutualScorer::new(bank, &world.model).unwrap(), report)
}

#[test]
fn a_training_sentence_is_read_with_the_edges_of_the_other_parts() {
    let world = world();
    let reader = world.workspace.read();
    let mut go_on = |_| ControlFlow::Continue(());
    let counted = count(reader, true, 3, &mut go_on).unwrap().unwrap();
    let options = graph_options(true);
    let (whole, _) = counted.learn(&options, &mut go_on).unwrap().unwrap();
    let held_out = HeldOut::learn(&counted, &options, &whole, &mut go_on);
    let held_out = held_out.unwrap().unwrap();
    let sentences: Vec<Sentence> = (0..8)
        .map(|n| reader.sentence(SentenceId(n)).unwrap())
        .collect();
    let parts: Vec<usize> = sentences
        .iter()
        .map(|s| held_out.part_of(s).unwrap())
        .collect();
    let used: BTreeSet<usize> = parts.iter().copied().collect();
    assert!(used.len() > 1, "{parts:?}");
    let dev = reader.sentence(SentenceId(8)).unwrap();
    assert_eq!(held_out.part_of(&dev), None);

    let n = whole.n_entities();
    let known = |row: usize| EntityFacts {
        row: Some(row as u32),
        types: vec![7],
    };
    let facts = held_out.facts((0..n).map(known).collect());
    assert_eq!(facts.len(), 4 * n);
    for part in 0..3 {
        // The entities that sentences of the part and of others name.
        let named_by = |of_part: bool| -> BTreeSet<u32> {
            let chosen = sentences.iter().zip(&parts);
            chosen
                .filter(|(_, p)| (**p == part) == of_part)
                .flat_map(|(s, _)| s.entities.iter().map(move |e| (s, e)))
                .filter_map(|(s, e)| whole.find(e.link.as_deref(), s.surface(e.span)))
                .collect()
        };
        let named = &named_by(true) & &named_by(false);
        for row in 0..n {
            let there = &facts[(part + 1) * n + row];
            assert_eq!(there.row.is_some(), named.contains(&(row as u32)));
            assert_eq!(there.types, [7]);
            if let Some(there) = there.row.filter(|_| used.contains(&part)) {
                let vectors = [there, row as u32].map(|r| held_out.table().vector(r));
                assert_ne!(vectors[0], vectors[1], "another graph");
                let length: f32 = vectors[0].iter().map(|x| x * x).sum();
                assert!((length - 2.0).abs() < 1e-3, "two unit halves: {length}");
            }
        }
    }

    // One bag of three sentences, two of them of part 1.
    let bag = Bag {
        relation: 1,
        head: 2,
        tail: 0,
        mentions: vec![4, 5, 9],
    };
    let split = held_out.split(&[bag], n, |mention| (mention > 4).then_some(1));
    let place = |b: &Bag| {
        (
            b.relation,
            b.head as usize,
            b.tail as usize,
            b.mentions.clone(),
        )
    };
    assert_eq!(
        split.iter().map(place).collect::<Vec<_>>(),
        [(1, 2, 0, vec![4]), (1, 2 * n + 2, 2 * n, vec![5, 9])]
    );
}

#[test]
fn parts_are_refused_announced_or_missed() {
    let world = world();
    let train = |parts: usize| {
        let mut settings = settings();
        settings.parts = parts;
        settings.train.fit.epochs = 1;
        let mut said = Vec::new();
        let trained = train_systems(MutualTraining {
            reader: world.workspace.read(),
            workspace: world.workspace.dir(),
            model: &world.model,
            settings: &settings,
            graph: None,
            types: None,
            keep: None,
            say: &mut |text| said.push(text),
            step: &mut |_| {},
            cancelled: &|| false,
        });
        trained.map(|t| (t.unwrap().1, said.join("\n")))
    };
    assert!(
        train(1)
            .err()
            .unwrap()
            .to_string()
            .contains("mutual.parts is 1")
    );
    let (report, said) = train(0).unwrap();
    assert!(said.contains("misleads on new ones"), "{said}");
    assert_eq!((report.parts.len(), report.held_out_bags), (0, report.bags));
    let (report, said) = train(2).unwrap();
    assert!(
        said.contains("do not count their own sentences (2 parts"),
        "{said}"
    );
    assert_eq!(report.parts.len(), 2);
    assert!(report.held_out_bags >= report.bags);
    assert!(report.held_out_bags_with_vectors < report.held_out_bags);
}

#[test]
fn a_tiny_workspace_trains_scores_explains_and_evaluates() {
    let world = world();
    let types = "Ann\tPERSON\nBob\tPERSON\nRome\tLOCATION:3\tORGANIZATION:1\n";
    let (scorer, report) = scorer(&world, types);
    assert_eq!(report.classes, ["NA", "/people/born"]);
    assert_eq!(report.types, ["LOCATION", "ORGANIZATION", "PERSON"]);
    // Sixteen ordered pairs of train, five of them births; Ann and Rome stand together twice.
    assert_eq!((report.train.positives, report.bags), (5, 14));
    assert_eq!((report.bags_with_vectors, report.bags_with_types), (14, 2));
    // Eve and Zoe are in dev sentences only.
    assert_eq!((report.dev_pairs, report.dev_pairs_with_vectors), (6, 0));
    assert_eq!(report.made.as_ref().map(|m| m.left_out), Some(3));
    assert_eq!(report.systems.len(), 4);

    let reader = world.workspace.read();
    let schema = world.workspace.schema();
    let knowledge = Knowledge::load(reader).unwrap().unwrap();
    let stored = |n: u64| reader.sentence(SentenceId(n)).unwrap();
    let sentences = [stored(0), stored(10), stored(4)];
    let kept = |s: &Sentence| Prediction {
        sentence: s.id,
        run: RunId(1),
        covered: 4,
        entities: Vec::new(),
        triples: [0, 7]
            .map(|r| ScoredTriple {
                triple: triple(s, r),
                scores: Scores::default(),
                runner_up: None,
            })
            .to_vec(),
    };
    let mut predictions = [0, 1, 2].map(|i| kept(&sentences[i]));
    let refs: Vec<&Sentence> = sentences.iter().collect();
    scorer
        .score(Some(&knowledge), schema, &refs, &mut predictions)
        .unwrap();
    let cell = |p: usize, t: usize| predictions[p].triples[t].scores.mutual;
    // Dev chooses an early epoch: the order is right, the size is not.
    assert!(cell(0, 0) > cell(2, 0), "born in Rome before flown to Oslo");
    assert_eq!(cell(0, 1), None, "a relation that no class is");
    assert!(
        cell(1, 0).is_some(),
        "without a vector the other terms speak"
    );

    let told = |s: &Sentence| {
        let mut into = Explanation::default();
        let triple = triple(s, 0);
        explain_mutual(&scorer, Some(&knowledge), schema, s, triple, &mut into).unwrap();
        into
    };
    let ann = told(&sentences[0]);
    let shares = ann.mutual.unwrap();
    assert!((shares.p - cell(0, 0).unwrap()).abs() < 1e-5 && shares.sums_up);
    let odds: f32 = [shares.text, shares.mutual, shares.types]
        .iter()
        .flatten()
        .sum();
    assert!((odds - (shares.p / (1.0 - shares.p)).ln()).abs() < 1e-3);
    assert!(!shares.near.is_empty() && ann.notes.is_empty());
    assert!(shares.near[0].0.contains("born"), "{:?}", shares.near);
    let zoe = told(&sentences[1]);
    assert_eq!(zoe.notes, ["head: no graph vector"]);
    let shares = zoe.mutual.unwrap();
    assert!(shares.mutual.is_none() && shares.text.is_some() && shares.near.is_empty());

    let done = evaluate_mutual(reader, &scorer, Split::Train, &mut |_, _| true);
    let done = done.unwrap().unwrap();
    assert_eq!((done.pairs, done.positives, done.new_pairs), (14, 4, 0));
    let names: Vec<_> = done.systems.iter().map(|s| s.system).collect();
    assert_eq!(names, ["base", "PA-T", "PA-MR", "PA-TMR"]);
    for system in &done.systems {
        assert!(system.average_precision > 0.7, "{system:?}");
    }
    let dev = evaluate_mutual(reader, &scorer, Split::Dev, &mut |_, _| true);
    assert_eq!(dev.unwrap().unwrap().new_pairs, 6);
    let stopped = evaluate_mutual(reader, &scorer, Split::Train, &mut |_, _| false);
    assert!(stopped.unwrap().is_none());
}

#[test]
fn the_systems_are_added_to_a_model_and_come_back_with_it() {
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let (from, out) = (dir.path().join("from"), dir.path().join("out"));
    let config = world.model.config.clone();
    let tokens = world.model.tokens();
    let card = serde_json::json!({"seed": 1});
    let named = world.params.all().into_iter();
    let tensors: BTreeMap<_, _> = named.map(|(n, v)| (n, v.as_tensor().clone())).collect();
    let precision = crate::model::files::Precision::F32;
    save(&from, &config, tokens, &tensors, &card, precision).unwrap();
    let options = TrainOptions {
        out: out.clone(),
        start: Start::Model(ModelChoice::Dir(from.clone())),
        rin: false,
        kernel: false,
        spans: false,
        config: TrainConfig {
            mutual: settings(),
            ..TrainConfig::default()
        },
        precision,
        resume: false,
        device: Device::Cpu,
    };
    let keep = dir.path().join("work");
    // Stops after the first line that holds `stop_at`.
    let run = |to: &str, resume: bool, stop_at: &str| {
        let options = TrainOptions {
            out: dir.path().join(to),
            ..options.clone()
        };
        let keep = Keep { dir: &keep, resume };
        let stop = Cell::new(false);
        let mut observe = |event: TrainEvent| {
            if let TrainEvent::Said(text) = event {
                stop.set(stop.get() || text.contains(stop_at));
            }
        };
        let mut around = Around {
            observe: &mut observe,
            cancelled: &|| stop.get(),
        };
        let (reader, workspace) = (world.workspace.read(), world.workspace.dir());
        let (base, inputs) = (ModelChoice::Dir(from.clone()), MutualInputs::default());
        add_mutual(
            reader,
            workspace,
            &base,
            &options,
            &inputs,
            keep,
            &mut around,
        )
    };
    assert!(run("whole", false, "never").unwrap().is_some());
    assert!(run("out", false, "PA-T epoch 3").unwrap().is_none() && !out.exists());
    let unasked = run("out", false, "never").unwrap_err().to_string();
    assert!(unasked.contains("--resume"), "{unasked}");
    let card = run("out", true, "never").unwrap().unwrap();
    let weights = |of: &str| std::fs::read(dir.path().join(of).join(WEIGHTS)).unwrap();
    assert_eq!(
        weights("out"),
        weights("whole"),
        "continued to the same bits"
    );
    assert!(!keep.exists(), "nothing left over");
    assert_eq!(card["mutual"]["systems"].as_array().unwrap().len(), 4);
    for file in [CONFIG, CARD]
        .iter()
        .chain(&crate::model::mutual::bank::FILES)
    {
        assert!(out.join(file).is_file(), "{file}");
    }
    let models = ModelChoice::Dir(out).load_all(&Device::Cpu).unwrap();
    let plain = ModelChoice::Dir(from.clone())
        .load_all(&Device::Cpu)
        .unwrap();
    assert!(models.mutual.is_some() && models.systems().ends_with("+ MR"));
    assert_ne!(models.sentence.run, plain.sentence.run, "another run");
}
