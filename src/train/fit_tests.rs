use super::*;
use crate::model::params::Init;
use candle_core::{Device, Result};
use std::cell::Cell;

/// Fits y = 2x + 1 with dropout, so that every source of randomness takes part.
struct Line {
    params: Params,
    poison: Option<usize>,
}

impl Line {
    fn new() -> Self {
        let params = Params::new(&Device::Cpu, 3);
        params.root().get(1, "w", Init::fan_in(1)).unwrap();
        params.root().get(1, "b", Init::ZEROS).unwrap();
        Self {
            params,
            poison: None,
        }
    }
    fn bits(&self) -> Vec<u32> {
        self.params
            .all()
            .iter()
            .flat_map(|(_, v)| v.as_tensor().to_vec1::<f32>().unwrap())
            .map(f32::to_bits)
            .collect()
    }
}

impl Trainable for Line {
    fn params(&self) -> &Params {
        &self.params
    }
    fn n_items(&self) -> usize {
        10
    }
    fn cost(&self, item: usize) -> usize {
        item % 3
    }
    fn describe(&self, item: usize) -> String {
        format!("sentence {item}")
    }
    fn rate(&self, _: &str) -> f64 {
        0.05
    }
    fn loss(&self, items: &[usize], mode: Mode) -> Result<Tensor> {
        let x: Vec<f32> = items.iter().map(|i| *i as f32 / 10.0).collect();
        let x = Tensor::from_vec(x, items.len(), &Device::Cpu)?;
        let target = ((&x * 2.0)? + 1.0)?;
        let (w, b) = (self.params.get("w").unwrap(), self.params.get("b").unwrap());
        let y = mode
            .dropout(&x, 0.2)?
            .broadcast_mul(&w)?
            .broadcast_add(&b)?;
        let loss = (y - target)?.sqr()?.mean_all()?;
        match self.poison {
            Some(p) if items.contains(&p) => loss / 0.0,
            _ => Ok(loss),
        }
    }
}

fn options() -> FitOptions {
    FitOptions {
        epochs: 4,
        batch: 3,
        ..FitOptions::default()
    }
}

/// Runs until `stop_after` steps (never, if `None`).
fn run(
    line: &Line,
    checkpoint: Option<Checkpoint>,
    stop_after: Option<u64>,
) -> std::result::Result<(Ended, RunRecord), FitError> {
    let steps = Cell::new(0);
    let mut scores = [0.3, 0.9, 0.5, 0.9].into_iter();
    let mut dev = || Ok(scores.next().unwrap_or(0.0));
    let mut observe = |event: FitEvent| {
        if let FitEvent::Step { .. } = event {
            steps.set(steps.get() + 1);
        }
    };
    let cancelled = || stop_after.is_some_and(|n| steps.get() >= n);
    let around = &mut Surroundings {
        dev: Some(&mut dev),
        observe: &mut observe,
        cancelled: &cancelled,
        checkpoint,
    };
    fit(line, &options(), around)
}

#[test]
fn a_run_stopped_at_any_step_and_resumed_gives_the_same_bits() {
    let whole = Line::new();
    assert_eq!(run(&whole, None, None).unwrap().0, Ended::Finished);
    for stop in [1, 3, 4, 9] {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("run");
        let first = Line::new();
        let begun = Checkpoint::begin(&dir, 7).unwrap();
        assert_eq!(
            run(&first, Some(begun), Some(stop)).unwrap().0,
            Ended::Stopped
        );
        // Another process: new parameters, all state from disk. Its dev scores go on where the first one's ended.
        let second = Line::new();
        let resumed = Checkpoint::resume(&dir, 7).unwrap();
        let steps_per_epoch = 4;
        let mut scores = [0.3, 0.9, 0.5, 0.9]
            .into_iter()
            .skip((stop / steps_per_epoch) as usize);
        let mut dev = || Ok(scores.next().unwrap_or(0.0));
        let around = &mut Surroundings {
            dev: Some(&mut dev),
            observe: &mut |_| {},
            cancelled: &|| false,
            checkpoint: Some(resumed),
        };
        let (ended, record) = fit(&second, &options(), around).unwrap();
        assert_eq!(
            (ended, record.best_epoch),
            (Ended::Finished, 2),
            "stopped at {stop}"
        );
        assert_eq!(second.bits(), whole.bits(), "stopped at {stop}");
        // The model was not saved, say. Resumed once more, the run is over at once and the weights are there.
        let third = Line::new();
        let again = Checkpoint::resume(&dir, 7).unwrap();
        let mut steps = 0;
        let around = &mut Surroundings {
            dev: None,
            observe: &mut |e| steps += u32::from(matches!(e, FitEvent::Step { .. })),
            cancelled: &|| false,
            checkpoint: Some(again.clone()),
        };
        assert_eq!(fit(&third, &options(), around).unwrap().1, record);
        assert_eq!(steps, 0);
        assert_eq!(third.bits(), whole.bits(), "stopped at {stop}");
        again.remove().unwrap();
        assert!(!dir.exists());
    }
}

#[test]
fn the_selected_epoch_is_the_first_best_on_dev() {
    let line = Line::new();
    let (_, record) = run(&line, None, None).unwrap();
    assert_eq!(
        (record.best_epoch, record.best_score, record.epochs.len()),
        (2, Some(0.9), 4)
    );
    // The weights are those of epoch 2, not of the end.
    let two = Line::new();
    let mut o = options();
    o.epochs = 4;
    let steps = Cell::new(0);
    let around = &mut Surroundings {
        dev: None,
        observe: &mut |e| {
            if let FitEvent::Epoch { .. } = e {
                steps.set(steps.get() + 1);
            }
        },
        cancelled: &|| steps.get() == 2,
        checkpoint: None,
    };
    fit(&two, &o, around).unwrap();
    assert_eq!(line.bits(), two.bits());
}

#[test]
fn a_loss_that_is_not_finite_stops_and_names_the_batch() {
    let line = Line {
        poison: Some(7),
        ..Line::new()
    };
    let error = run(&line, None, None).unwrap_err().to_string();
    assert!(
        error.contains("epoch 1") && error.contains("sentence 7"),
        "{error}"
    );
}

#[test]
fn a_checkpoint_of_another_run_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("run");
    assert!(matches!(
        Checkpoint::resume(&dir, 7),
        Err(CheckpointError::Nothing { .. })
    ));
    let begun = Checkpoint::begin(&dir, 7).unwrap();
    run(&Line::new(), Some(begun), Some(2)).unwrap();
    assert!(matches!(
        Checkpoint::begin(&dir, 7),
        Err(CheckpointError::Unfinished { .. })
    ));
    let other = Checkpoint::resume(&dir, 8).unwrap();
    let error = run(&Line::new(), Some(other), None).unwrap_err();
    assert!(
        matches!(
            error,
            FitError::Checkpoint(CheckpointError::OtherRun { .. })
        ),
        "{error}"
    );
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("run");
    run(
        &Line::new(),
        Some(Checkpoint::begin(&dir, 7).unwrap()),
        Some(2),
    )
    .unwrap();
    for name in ["training.json", "weights.safetensors"] {
        let path = dir.join(name);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert!(
            run(
                &Line::new(),
                Some(Checkpoint::resume(&dir, 7).unwrap()),
                None
            )
            .is_err(),
            "{name} cut"
        );
        std::fs::write(&path, bytes).unwrap();
    }
}
