use super::*;
use crate::domain::SentenceId;
use crate::model::encoder::bilstm::BiLstmConfig;
use crate::model::kernel::KernelConfig;
use crate::model::rin::RinConfig;
use crate::model::sentence::Heads;
use crate::model::spans::SpanConfig;
use crate::model::tokens::WordPieces;
use candle_core::Device;

const RELATIONS: usize = 3;

fn example(id: u64, text: &str, label: usize) -> Example {
    let span = |start, end| TokenSpan::new(start, end).unwrap();
    let pair = LabelledPair {
        head: span(0, 1),
        tail: span(3, 4),
        label,
    };
    Example {
        id: SentenceId(id),
        words: text.split(' ').map(str::to_owned).collect(),
        entities: vec![span(0, 1), span(3, 4)],
        kinds: vec![None, None],
        positives: vec![pair],
        masked: Vec::new(),
    }
}

/// A small model without dropout, the same parameters whatever the weights.
fn trainer(losses: LossWeights) -> SentenceTrainer {
    let examples = vec![
        example(1, "Ali lives in Louisville .", 1),
        example(2, "Rome lies in Italy", 0),
    ];
    let words = examples
        .iter()
        .flat_map(|e| e.words.iter().map(String::as_str));
    let tokens = WordPieces::train(words, 60).unwrap();
    let encoder = BiLstmConfig {
        piece_width: 8,
        width: 8,
        dropout: 0.0,
        ..BiLstmConfig::new(tokens.n_ids())
    };
    let heads = Heads {
        rin: Some(RinConfig {
            dropout: 0.0,
            ..RinConfig::default()
        }),
        kernel: Some(KernelConfig::default()),
        spans: Some(SpanConfig {
            dropout: 0.0,
            ..SpanConfig::default()
        }),
    };
    let labels = (0..RELATIONS).map(|r| format!("relation {r}")).collect();
    let config = ModelConfig::new(EncoderConfig::BiLstm(encoder), labels, heads);
    let params = Params::new(&Device::Cpu, 1);
    SentenceTrainer::new(
        config,
        params,
        Arc::new(tokens),
        examples,
        SentenceRates::default(),
        losses,
    )
    .unwrap()
}

fn loss(rin: f64, kernel: Option<f64>, spans: f64) -> f64 {
    let trainer = trainer(LossWeights { rin, kernel, spans });
    let loss = trainer.loss(&[0, 1], Mode::Infer).unwrap();
    f64::from(loss.to_scalar::<f32>().unwrap())
}

#[test]
fn the_joint_loss_weighs_its_heads_and_the_kernel_by_its_relations_where_nothing_is_said() {
    let (rin, kernel, spans) = (
        loss(1.0, Some(0.0), 0.0),
        loss(0.0, Some(1.0), 0.0),
        loss(0.0, Some(0.0), 1.0),
    );
    assert!(
        rin > 0.0 && kernel > 0.0 && spans > 0.0,
        "{rin} {kernel} {spans}"
    );
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-4 * b.abs(), "{a} {b}");
    close(
        loss(2.0, Some(5.0), 3.0),
        2.0 * rin + 5.0 * kernel + 3.0 * spans,
    );
    close(
        loss(1.0, None, 1.0),
        rin + RELATIONS as f64 * kernel + spans,
    );
}
