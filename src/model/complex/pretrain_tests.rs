use super::*;
use crate::model::complex::link::{
    KnownFacts, filtered_quality, predict_heads, predict_relations, predict_tails,
};

/// People 0..n live in cities; relation 0: a person's city (city = person mod 5), relation 1 its inverse.
fn small_world(n: u32) -> (Vec<Fact>, usize) {
    let facts = (0..n).flat_map(|person| {
        let city = n + person % 5;
        [
            Fact {
                head: person,
                relation: 0,
                tail: city,
            },
            Fact {
                head: city,
                relation: 1,
                tail: person,
            },
        ]
    });
    (facts.collect(), n as usize + 5)
}

fn quick() -> ComplexConfig {
    ComplexConfig {
        dim: 8,
        rate: 0.05,
        batch: 40,
        steps: 300,
        lambda: 0.003,
        ..ComplexConfig::default()
    }
}

#[test]
fn training_learns_a_small_world_and_queries_read_it() {
    let (facts, n_entities) = small_world(40);
    // The inverse of person 7's fact is held out.
    let (held_out, train): (Vec<Fact>, Vec<Fact>) =
        facts.iter().partition(|f| f.relation == 1 && f.tail == 7);
    let mut losses = Vec::new();
    let (tables, ended) = pretrain(&train, n_entities, 2, &quick(), &mut |p| {
        losses.push(p.loss);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!((ended, losses.len()), (Ended::Complete, 300));
    assert!(
        losses[299] < 0.7 * losses[0],
        "{} -> {}",
        losses[0],
        losses[299]
    );

    let known: KnownFacts = facts.iter().copied().collect();
    let quality = filtered_quality(&tables, &train, &known);
    assert!(
        quality.mrr > 0.9 && quality.hits_at_10 > 0.95,
        "{quality:?}"
    );
    let city = held_out[0].head;
    let trained: KnownFacts = train.iter().copied().collect();
    assert_eq!(predict_tails(&tables, city, 1, &trained, 1)[0].row, 7);
    let relations = predict_relations(&tables, city, 7, None, &trained, 5);
    assert_eq!((relations[0].row, relations.len()), (1, 2));
    assert!(relations[0].probability > relations[1].probability);
    assert_eq!(
        predict_relations(&tables, city, 7, Some(1), &trained, 5).len(),
        1
    );
    let heads = predict_heads(&tables, 0, city, &known, 100);
    assert!(heads.iter().all(|a| !known.contains(Fact {
        head: a.row,
        relation: 0,
        tail: city
    })));
    assert_eq!(heads.len(), n_entities - 8);
}

#[test]
fn the_bits_depend_on_the_seed_and_not_on_the_threads() {
    let (facts, n_entities) = small_world(60);
    let train = |threads: usize, seed: u64| {
        let config = ComplexConfig {
            steps: 20,
            seed,
            ..quick()
        };
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let run = || {
            pretrain(&facts, n_entities, 2, &config, &mut |_| {
                ControlFlow::Continue(())
            })
        };
        pool.install(run).unwrap().0
    };
    assert_eq!(train(1, 5), train(3, 5));
    assert_ne!(train(1, 5), train(1, 6));
}

#[test]
fn training_stops_on_request_and_refuses_what_it_cannot_run() {
    let (facts, n_entities) = small_world(10);
    let run = |facts: &[Fact], n_entities, config: &ComplexConfig| {
        pretrain(facts, n_entities, 2, config, &mut |p| match p.step {
            3 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
    };
    assert_eq!(
        run(&facts, n_entities, &quick()).unwrap().1,
        Ended::Stopped { after: 3 }
    );
    let bad = ComplexConfig {
        entity: EntityForm::Plain,
        init: TableInit::Uniform01,
        ..quick()
    };
    let cases = [
        (run(&[], n_entities, &quick()), "no facts"),
        (run(&facts, 12, &quick()), "fact 4 is (head 2"),
        (
            run(&facts, n_entities, &ComplexConfig { dim: 0, ..quick() }),
            "complex.dim is 0",
        ),
        (
            run(
                &facts,
                n_entities,
                &ComplexConfig {
                    rate: f32::NAN,
                    ..quick()
                },
            ),
            "complex.rate is NaN",
        ),
        (run(&facts, n_entities, &bad), "complex.init is uniform01"),
        (
            run(
                &facts,
                n_entities,
                &ComplexConfig {
                    rate: 1e30,
                    ..quick()
                },
            ),
            "at step 2",
        ),
    ];
    for (result, expected) in cases {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(expected), "{message} lacks {expected}");
    }
}
