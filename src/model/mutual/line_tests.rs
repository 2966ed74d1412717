//! LINE against the golden file, and what must hold of it on any graph.

use super::*;
use crate::model::golden::Golden;
use crate::model::mutual::graph::{Edge, Vertex};
use crate::model::mutual::shards::{Directed, Scratch, step};

fn graph(n: usize, edges: &[(u32, u32, f32)]) -> ProximityGraph {
    let vertex = |i: usize| Vertex {
        key: format!("v{i}").into(),
        name: format!("v{i}").into(),
    };
    let edge = |&(a, b, weight): &(u32, u32, f32)| Edge { a, b, weight };
    ProximityGraph {
        vertices: (0..n).map(vertex).collect(),
        edges: edges.iter().map(edge).collect(),
    }
}

fn floats(golden: &Golden, pointer: &str) -> Vec<f32> {
    let values: Vec<f64> = golden.parse(&format!("{pointer}/data"));
    values.into_iter().map(|x| x as f32).collect()
}

#[track_caller]
fn near(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!(
            (f - e).abs() <= tolerance * (1.0 + e.abs()),
            "{what}[{i}]: {f}, expected {e}"
        );
    }
}

struct Case {
    golden: Golden,
    graph: ProximityGraph,
    u: Vec<f32>,
    c: Vec<f32>,
}

fn case() -> Case {
    let golden = Golden::load("line_graph");
    let ends: Vec<(u32, u32)> = golden.parse("/in/edges");
    let edges: Vec<(u32, u32, f32)> = ends
        .iter()
        .map(|(a, b)| (*a, *b, golden.number(&format!("/out/w/{a}-{b}")) as f32))
        .collect();
    Case {
        graph: graph(4, &edges),
        u: floats(&golden, "/in/U"),
        c: floats(&golden, "/in/C"),
        golden,
    }
}

/// Central differences with one Richardson step.
fn slope(f: impl Fn(&[f32]) -> f64, at: &[f32]) -> Vec<f32> {
    let difference = |i: usize, h: f32| {
        let moved = |by: f32| {
            let mut x = at.to_vec();
            x[i] += by;
            (f(&x), f64::from(x[i]))
        };
        let (up, down) = (moved(h), moved(-h));
        (up.0 - down.0) / (up.1 - down.1)
    };
    (0..at.len())
        .map(|i| ((4.0 * difference(i, 0.01) - difference(i, 0.02)) / 3.0) as f32)
        .collect()
}

#[test]
fn golden_objectives_and_their_gradients() {
    let Case {
        golden,
        graph,
        u,
        c,
    } = case();
    let weights: f64 = graph.edges.iter().map(|e| f64::from(e.weight)).sum();
    let o1 = |u: &[f32]| weights * first_order(&graph, u, 2);
    let o2 = |u: &[f32], c: &[f32]| 2.0 * weights * second_order(&graph, u, c, 2);
    assert!((o1(&u) - golden.number("/out/O1")).abs() < 1e-5);
    assert!((o2(&u, &c) - golden.number("/out/O2")).abs() < 1e-5);
    near(
        &slope(o1, &u),
        &floats(&golden, "/out/dO1_dU"),
        1e-4,
        "dO1_dU",
    );
    near(
        &slope(|u| o2(u, &c), &u),
        &floats(&golden, "/out/dO2_dU"),
        1e-4,
        "dO2_dU",
    );
    near(
        &slope(|c| o2(&u, c), &c),
        &floats(&golden, "/out/dO2_dC"),
        1e-4,
        "dO2_dC",
    );
}

#[test]
fn golden_negative_sampling_loss_and_gradient() {
    let Case { golden, u, c, .. } = case();
    let negatives: std::collections::BTreeMap<String, Vec<usize>> = golden.parse("/in/negatives");
    let (mut loss, mut du, mut dc) = (0.0, vec![0f32; 8], vec![0f32; 8]);
    for (pair, negatives) in negatives {
        let ends: Vec<usize> = pair.split('-').map(|v| v.parse().unwrap()).collect();
        let source = &u[2 * ends[0]..][..2];
        let targets = std::iter::once((ends[1], 1.0));
        for (target, label) in targets.chain(negatives.into_iter().map(|n| (n, 0.0))) {
            // At rate 1 from the unmoved tables a pull is the negative gradient.
            let (mut row, mut owed) = (c[2 * target..][..2].to_vec(), vec![0.0; 2]);
            let x = f64::from(pull(source, &mut row, label, 1.0, &mut owed));
            loss += softplus(if label > 0.5 { -x } else { x });
            for d in 0..2 {
                du[2 * ends[0] + d] -= owed[d];
                dc[2 * target + d] -= row[d] - c[2 * target + d];
            }
        }
    }
    assert!((loss - golden.number("/out/NS")).abs() < 1e-5);
    near(&du, &floats(&golden, "/out/dNS_dU"), 1e-5, "dNS_dU");
    near(&dc, &floats(&golden, "/out/dNS_dC"), 1e-5, "dNS_dC");
}

#[test]
fn golden_steps_of_both_orders() {
    let Case { golden, u, c, .. } = case();
    let rate = golden.number("/in/rho") as f32;
    for (to, expected_u, expected_c) in [
        (1, "/out/sgd_order2_U", "/out/sgd_order2_C"),
        (0, "/out/sgd_order1_U", "/in/C"),
    ] {
        let mut tables = [u.clone(), c.clone()];
        let edge = Directed {
            source: (0, 0),
            target: (to, 1),
        };
        step(&mut tables, edge, &[3, 2], rate, &mut Scratch::new(2));
        near(&tables[0], &floats(&golden, expected_u), 1e-6, expected_u);
        near(&tables[1], &floats(&golden, expected_c), 1e-6, expected_c);
    }
}

#[test]
fn golden_edge_and_noise_distributions() {
    let Case { golden, graph, .. } = case();
    let total: f32 = graph.edges.iter().map(|e| e.weight).sum();
    let edges: Vec<f32> = graph.edges.iter().map(|e| e.weight / total).collect();
    near(
        &edges,
        &floats(&golden, "/out/edge_prob"),
        1e-6,
        "edge_prob",
    );
    let noise: Vec<f64> = graph.degrees().iter().map(|d| d.powf(0.75)).collect();
    let sum: f64 = noise.iter().sum();
    let noise: Vec<f32> = noise.iter().map(|n| (n / sum) as f32).collect();
    near(&noise, &floats(&golden, "/out/noise"), 1e-6, "noise");
}

#[test]
fn golden_halves_are_normalised_and_set_side_by_side() {
    let Case { golden, u, c, .. } = case();
    near(
        &side_by_side(&u, &c, 2),
        &floats(&golden, "/out/concat"),
        1e-6,
        "concat",
    );
    assert_eq!(
        side_by_side(&[0.0, 0.0], &[3.0, 4.0], 2),
        [0.0, 0.0, 0.6, 0.8]
    );
}

/// Two cliques of `n`, joined by one edge.
fn two_cliques(n: u32) -> ProximityGraph {
    let mut edges = Vec::new();
    for a in 0..2 * n {
        for b in a + 1..2 * n {
            if (a < n) == (b < n) || (a, b) == (n - 1, n) {
                edges.push((a, b, 1.0));
            }
        }
    }
    graph(2 * n as usize, &edges)
}

fn small(shards: usize) -> LineConfig {
    LineConfig {
        dim: 8,
        samples: Some(100_000),
        shards: Some(shards),
        ..LineConfig::default()
    }
}

fn quiet(_: LineProgress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn cliques_come_apart_and_both_objectives_fall() {
    let n = 20;
    for shards in [1, 4] {
        let graph = two_cliques(n);
        let mut losses = Vec::new();
        let found = embed(&graph, &small(shards), &mut |p| {
            losses.push(p.loss);
            ControlFlow::Continue(())
        });
        let found = found.unwrap().unwrap();
        let objectives = found.objectives;
        let second = objectives.second.unwrap();
        assert!(
            objectives.first[1] < 0.95 * objectives.first[0],
            "{objectives:?}"
        );
        assert!(second[1] < 0.95 * second[0], "{objectives:?}");
        for order in 0..2 {
            assert!(losses[49][order] < losses[0][order], "{losses:?}");
        }
        let row = |v: u32| &found.values[v as usize * 16..][..16];
        let (mut within, mut between) = ((0.0, 0), (0.0, 0));
        for a in 0..2 * n {
            for b in a + 1..2 * n {
                let sum = if (a < n) == (b < n) {
                    &mut within
                } else {
                    &mut between
                };
                *sum = (sum.0 + dot(row(a), row(b)) / 2.0, sum.1 + 1);
            }
        }
        let (within, between) = (within.0 / within.1 as f32, between.0 / between.1 as f32);
        assert!(
            within > between + 0.5,
            "{shards} shards: {within} {between}"
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_bits_whatever_the_threads() {
    let graph = two_cliques(12);
    for shards in [1, 4] {
        let run = |threads: usize, seed: u64| {
            let config = LineConfig {
                seed,
                samples: Some(20_000),
                ..small(shards)
            };
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let found = pool.unwrap().install(|| embed(&graph, &config, &mut quiet));
            found.unwrap().unwrap().values
        };
        assert_eq!(run(1, 7), run(4, 7), "{shards} shards");
        assert_ne!(run(1, 7), run(1, 8), "{shards} shards");
    }
}

#[test]
fn stopping_and_impossible_settings() {
    let graph = two_cliques(3);
    let stopped = embed(&graph, &small(1), &mut |_| ControlFlow::Break(()));
    assert_eq!(stopped.unwrap(), None);
    let empty = ProximityGraph::default();
    assert!(matches!(
        embed(&empty, &small(1), &mut quiet),
        Err(MutualError::NoEdges)
    ));
    for (config, expected) in [
        (LineConfig { dim: 0, ..small(1) }, "line.dim is 0"),
        (
            LineConfig {
                rate: f32::NAN,
                ..small(1)
            },
            "line.rate is NaN",
        ),
        (small(3), "line.shards is 3"),
    ] {
        let message = embed(&graph, &config, &mut quiet).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}
