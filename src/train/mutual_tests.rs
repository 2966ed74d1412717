use super::*;
use crate::domain::TokenSpan;
use crate::model::hrere::bags::training_bags;
use crate::model::mutual::{Combine, TextBase};
use crate::train::bags::tests::{Vectors, WIDTH, mentions};
use std::collections::HashMap;

const VECTOR: usize = 4;

/// Made-up vectors of twelve entities.
fn vectors() -> VectorRows {
    let values = (0..12 * VECTOR).map(|i| ((i * 7919 % 101) as f32 / 50.0 - 1.0) * 0.7);
    VectorRows::new(values.collect(), VECTOR)
}

/// Sixteen entities, the last four without a vector; types for some.
fn entities() -> Vec<EntityFacts> {
    let facts = |i: u32| EntityFacts {
        row: (i < 12).then_some(i),
        types: match i % 3 {
            0 => vec![],
            1 => vec![0],
            _ => vec![0, 1],
        },
    };
    (0..16).map(facts).collect()
}

fn config(text: TextBase, combine: Combine) -> MutualConfig {
    MutualConfig {
        text,
        combine,
        word_dim: WIDTH,
        project: 0,
        position_dim: 2,
        filters: 8,
        hidden: 16,
        dropout: 0.0,
        bag_size: 2,
        type_dim: 3,
        mutual_layers: vec![8],
        type_layers: vec![8],
        combine_layers: vec![12],
        ..MutualConfig::default()
    }
}

fn options(epochs: u32) -> MutualOptions {
    let base = MutualOptions::default();
    MutualOptions {
        fit: FitOptions {
            epochs,
            batch: 8,
            patience: epochs,
            ..base.fit
        },
        rate: 0.02,
        ..base
    }
}

struct World {
    mentions: Vec<PairMention>,
    words: Vectors,
    rows: HashMap<u32, u32>,
    entities: Vec<EntityFacts>,
    vectors: VectorRows,
    bags: Vec<Bag>,
}

impl World {
    fn new() -> Self {
        let mentions = mentions();
        Self {
            bags: training_bags(&mentions, 2).bags,
            words: Vectors::new(12),
            rows: HashMap::new(),
            entities: entities(),
            vectors: vectors(),
            mentions,
        }
    }
    fn data<'a>(&'a self, dev: &'a [AskedPair]) -> MutualData<'a> {
        MutualData {
            source: BagSource {
                mentions: &self.mentions,
                vectors: &self.words,
                kb_rows: &self.rows,
            },
            entities: &self.entities,
            vectors: &self.vectors,
            train: &self.bags,
            dev,
            sizes: Sizes {
                n_classes: 4,
                n_types: 2,
                vector_width: VECTOR,
            },
        }
    }
    /// (bags whose best class is their own, dropped terms).
    fn right(&self, trainer: &MutualTrainer) -> (usize, usize) {
        let bags: Vec<&Bag> = self.bags.iter().collect();
        let answers = trainer
            .model()
            .predict(&trainer.batch(&bags).unwrap())
            .unwrap();
        let right = bags.iter().zip(&answers).filter(|(bag, answer)| {
            let best = (0..4).max_by(|a, b| answer.p[*a].total_cmp(&answer.p[*b]));
            best == Some(bag.relation as usize)
        });
        let dropped = answers.iter().filter(|a| a.mutual_missing).count();
        (right.count(), dropped)
    }
}

fn run(
    world: &World,
    system: System,
    config: &MutualConfig,
    options: &MutualOptions,
    check: impl FnOnce(&MutualTrainer),
) {
    let trainer =
        MutualTrainer::new(system, config, world.data(&[]), options, &Device::Cpu).unwrap();
    let mut around = Surroundings {
        dev: None,
        observe: &mut |_| {},
        cancelled: &|| false,
        checkpoint: None,
    };
    fit(&trainer, &options.fit, &mut around).unwrap();
    check(&trainer);
}

#[test]
fn every_system_and_base_learns_eight_bags_by_heart() {
    let world = World::new();
    assert_eq!(world.bags.len(), 8);
    let sum = Combine::LogitsSum;
    let mut cases: Vec<(System, TextBase, Combine)> =
        System::ALL.map(|s| (s, TextBase::Pcnn, sum)).to_vec();
    cases.extend([
        (System::PaTmr, TextBase::Cnn, sum),
        (System::PaTmr, TextBase::Gru, sum),
        (System::PaTmr, TextBase::Pcnn, Combine::LogitsMlp),
        (System::PaTmr, TextBase::Pcnn, Combine::ConfLinear),
    ]);
    for (system, text, combine) in cases {
        // One step an epoch.
        let (config, options) = (config(text, combine), options(400));
        run(&world, system, &config, &options, |trainer| {
            let dropped = if system.uses_mutual() { 4 } else { 0 };
            let found = world.right(trainer);
            assert_eq!(found, (8, dropped), "{system:?} {text:?} {combine:?}");
        });
    }
}

#[test]
fn the_same_seed_gives_the_same_bits_whatever_the_threads() {
    let world = World::new();
    let config = MutualConfig {
        dropout: 0.5,
        ..config(TextBase::Pcnn, Combine::LogitsSum)
    };
    let weights = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(|| {
            let mut values: Vec<Vec<f32>> = Vec::new();
            run(&world, System::PaTmr, &config, &options(3), |trainer| {
                for (_, var) in trainer.params.all() {
                    values.push(var.flatten_all().unwrap().to_vec1().unwrap());
                }
            });
            values
        })
    };
    assert_eq!(weights(1), weights(3));
}

#[test]
fn the_order_of_a_bag_and_padding_do_not_matter() {
    let world = World::new();
    let (config, options) = (config(TextBase::Pcnn, Combine::LogitsSum), options(5));
    run(&world, System::PaTmr, &config, &options, |trainer| {
        let answer = |mentions: Vec<usize>, beside: &[usize]| {
            let bag = |mentions| Bag {
                relation: 0,
                head: 0,
                tail: 8,
                mentions,
            };
            let bags = [bag(mentions), bag(beside.to_vec())];
            let bags: Vec<&Bag> = bags.iter().collect();
            trainer
                .model()
                .predict(&trainer.batch(&bags).unwrap())
                .unwrap()[0]
                .p
                .clone()
        };
        let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        let usual = answer(vec![0, 8], &[1]);
        assert!(near(&usual, &answer(vec![8, 0], &[1])));
        assert!(near(&usual, &answer(vec![0, 8], &[2, 3, 4, 5])));
        assert!(!near(&usual, &answer(vec![0, 3], &[1])));
    });
}

#[test]
fn asked_pairs_gather_all_sentences_and_relations() {
    let mention = |sentence, head, tail, relations: &[u32]| PairMention {
        sentence,
        head_span: TokenSpan::new(0, 1).unwrap(),
        tail_span: TokenSpan::new(2, 3).unwrap(),
        head,
        tail,
        relations: relations.to_vec(),
    };
    let mentions = [
        mention(0, 1, 2, &[3]),
        mention(1, 1, 2, &[2, 3]),
        mention(1, 2, 1, &[]),
    ];
    let found: Vec<_> = asked_pairs(&mentions)
        .into_iter()
        .map(|p| (p.bag.mentions, p.gold))
        .collect();
    assert_eq!(found, [(vec![0, 1], vec![2, 3]), (vec![2], vec![])]);
}
