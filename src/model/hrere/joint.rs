//! Text and knowledge base in one model; one instance is one checkpoint: base, naive or full.
//!
//! Parameters: `hrere.*` (see [`super::text`]) and, for naive and full, `kb.{ent_re,ent_im,rel_re,rel_im}`: the rows that
//! the bags need (see [`ComplexTables::restrict`]), one relation row per class with NA first, all trained.

use super::batch::BagBatch;
use super::config::HrereConfig;
use super::loss::{KbLogits, Losses, Mixed, losses, mix, squares};
use super::text::{TextModel, TextOutput};
use crate::model::complex::tensor::{EntityRows, relation_scores};
use crate::model::complex::{ComplexTables, EntityForm, softmax};
use crate::model::mode::Mode;
use crate::model::params::{Init, Params, Scope};
use candle_core::{Result, Tensor, bail};
use serde::{Deserialize, Serialize};

/// Which checkpoint a model is: what it is trained with, and whether its answer mixes in the knowledge base.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum System {
    /// J_L; answers p_L.
    Base,
    /// J_L + J_G; answers the mixture.
    Naive,
    /// J_L + J_G + J_D; answers the mixture. Its p_G is "KB-only".
    Full,
}

impl System {
    pub const ALL: [System; 3] = [System::Base, System::Naive, System::Full];

    pub fn name(self) -> &'static str {
        match self {
            System::Base => "base",
            System::Naive => "naive",
            System::Full => "full",
        }
    }
}

/// Shape of the knowledge-base side.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KbShape {
    pub n_entities: usize,
    pub dim: usize,
    pub entity: EntityForm,
}

impl KbShape {
    pub fn of(tables: &ComplexTables) -> Self {
        Self {
            n_entities: tables.n_entities,
            dim: tables.dim,
            entity: tables.entity,
        }
    }
}

/// Puts tables into `params` as `kb.*`, replacing what is there. The tables' relations are the classes, NA first.
pub fn insert_tables(params: &Params, tables: &ComplexTables) -> Result<()> {
    if let Err(problem) = tables.check() {
        bail!("{problem}");
    }
    let device = params.device();
    let (e, r) = (
        (tables.n_entities, tables.dim),
        (tables.n_relations, tables.dim),
    );
    params.insert("kb.ent_re", &Tensor::from_slice(&tables.ent_re, e, device)?)?;
    params.insert("kb.ent_im", &Tensor::from_slice(&tables.ent_im, e, device)?)?;
    params.insert("kb.rel_re", &Tensor::from_slice(&tables.rel_re, r, device)?)?;
    params.insert("kb.rel_im", &Tensor::from_slice(&tables.rel_im, r, device)?)
}

struct KbSide {
    shape: KbShape,
    ent_re: Tensor,
    ent_im: Tensor,
    rel_re: Tensor,
    rel_im: Tensor,
}

impl KbSide {
    fn new(scope: Scope<'_>, shape: KbShape, n_classes: usize) -> Result<Self> {
        let init = Init::Uniform {
            low: 0.0,
            high: 1.0,
        };
        let entities = (shape.n_entities, shape.dim);
        let classes = (n_classes, shape.dim);
        Ok(Self {
            ent_re: scope.get(entities, "ent_re", init)?,
            ent_im: scope.get(entities, "ent_im", init)?,
            rel_re: scope.get(classes, "rel_re", init)?,
            rel_im: scope.get(classes, "rel_im", init)?,
            shape,
        })
    }

    /// z_G of the bags that have rows, and the squares of the rows read: each distinct entity row once, and all classes.
    fn forward(&self, batch: &BagBatch) -> Result<Option<(KbLogits, Tensor)>> {
        let known: Vec<(usize, (u32, u32))> = batch
            .bags()
            .iter()
            .enumerate()
            .filter_map(|(bag, rows)| Some((bag, rows.pair?)))
            .collect();
        if known.is_empty() {
            return Ok(None);
        }
        let mut distinct: Vec<u32> = known.iter().flat_map(|(_, (h, t))| [*h, *t]).collect();
        distinct.sort_unstable();
        distinct.dedup();
        if let Some(&row) = distinct.last()
            && row as usize >= self.shape.n_entities
        {
            bail!("entity row {row} of {}", self.shape.n_entities);
        }
        let device = self.ent_re.device();
        let index = |rows: Vec<u32>| {
            let n = rows.len();
            Tensor::from_vec(rows, n, device)
        };
        let place = |row: u32| distinct.binary_search(&row).unwrap_or(0) as u32; // always found
        let heads = index(known.iter().map(|(_, (h, _))| place(*h)).collect())?;
        let tails = index(known.iter().map(|(_, (_, t))| place(*t)).collect())?;
        let rows = index(distinct.clone())?;
        let re = self.ent_re.index_select(&rows, 0)?;
        let im = self.ent_im.index_select(&rows, 0)?;
        let pick = |table: &Tensor, at: &Tensor| table.index_select(at, 0);
        let (h_re, h_im) = (pick(&re, &heads)?, pick(&im, &heads)?);
        let (t_re, t_im) = (pick(&re, &tails)?, pick(&im, &tails)?);
        let head = EntityRows {
            re: &h_re,
            im: &h_im,
        };
        let tail = EntityRows {
            re: &t_re,
            im: &t_im,
        };
        let logits = relation_scores(head, tail, &self.rel_re, &self.rel_im, self.shape.entity)?;
        let read = [&re, &im, &self.rel_re, &self.rel_im];
        let Some(squares) = squares(read)? else {
            return Ok(None);
        };
        let bags = known.iter().map(|(bag, _)| *bag).collect();
        Ok(Some((KbLogits { logits, bags }, squares)))
    }
}

pub struct JointModel {
    system: System,
    text: TextModel,
    kb: Option<KbSide>,
}

impl JointModel {
    /// Takes or draws `hrere.*` and, unless the system is base, `kb.*` of `params`. Call [`insert_tables`] first where
    /// pre-trained tables exist: tables drawn here give an arbitrary p_G.
    pub fn new(
        params: &Params,
        config: &HrereConfig,
        n_classes: usize,
        system: System,
        shape: KbShape,
    ) -> Result<Self> {
        let root = params.root();
        let kb = match system {
            System::Base => None,
            System::Naive | System::Full => Some(KbSide::new(root.pp("kb"), shape, n_classes)?),
        };
        Ok(Self {
            system,
            text: TextModel::new(root.pp("hrere"), config, n_classes)?,
            kb,
        })
    }

    pub fn system(&self) -> System {
        self.system
    }
    pub fn text(&self) -> &TextModel {
        &self.text
    }

    /// Distributions of a batch, with what the explanation pane shows.
    pub fn predict(&self, batch: &BagBatch) -> Result<Vec<BagDistribution>> {
        let TextOutput {
            logits,
            beta,
            alpha,
        } = self.text.forward(batch, Mode::Infer)?;
        let z_text: Vec<Vec<f32>> = logits.detach().to_vec2()?;
        let beta: Vec<Vec<f32>> = beta.detach().to_vec2()?;
        let alpha: Vec<Vec<f32>> = alpha.detach().to_vec2()?;
        let mut z_kb: Vec<Option<Vec<f32>>> = vec![None; z_text.len()];
        if let Some(kb) = &self.kb
            && let Some((known, _)) = kb.forward(batch)?
        {
            let rows: Vec<Vec<f32>> = known.logits.detach().to_vec2()?;
            for (bag, row) in known.bags.into_iter().zip(rows) {
                z_kb[bag] = Some(row);
            }
        }
        let lengths = batch.lengths(self.text.config().max_words);
        let bags = batch.bags().iter().zip(z_text).zip(z_kb).zip(beta);
        Ok(bags
            .map(|(((bag, z_text), z_kb), beta)| BagDistribution {
                z_text,
                z_kb,
                sentence_weights: beta[..bag.sentences.len()].to_vec(),
                word_weights: bag
                    .sentences
                    .iter()
                    .map(|&row| alpha[row][..lengths[row]].to_vec())
                    .collect(),
            })
            .collect())
    }
}

/// What a model says of one bag. Logits are kept, so the mixture's alpha can move without a new inference.
#[derive(Clone, Debug, PartialEq)]
pub struct BagDistribution {
    /// z_L over the classes.
    pub z_text: Vec<f32>,
    /// z_G; `None` for base, or where an entity has no vector.
    pub z_kb: Option<Vec<f32>>,
    /// beta of each place of the bag.
    pub sentence_weights: Vec<f32>,
    /// alpha of each place of the bag, over the words read.
    pub word_weights: Vec<Vec<f32>>,
}

impl BagDistribution {
    pub fn p_text(&self) -> Vec<f32> {
        softmax(&self.z_text)
    }
    pub fn p_kb(&self) -> Option<Vec<f32>> {
        self.z_kb.as_deref().map(softmax)
    }
    pub fn mixed(&self, rule: super::Mix) -> Mixed {
        mix(&self.z_text, self.z_kb.as_deref(), rule)
    }
}

/// One training forward: the loss to differentiate (J + lambda ||theta||^2) and its terms.
///
/// theta is every parameter that learns, but of the entity tables only the rows of this batch: decaying all rows at every
/// step through Adam, which takes a full step for any gradient, would wear away what pre-training knew of the rest.
pub fn joint_step(
    model: &JointModel,
    batch: &BagBatch,
    gold: &[u32],
    mode: Mode<'_>,
) -> Result<(Tensor, Losses)> {
    let config = model.text.config();
    let text = model.text.forward(batch, mode)?;
    let kb = match &model.kb {
        Some(kb) => kb.forward(batch)?,
        None => None,
    };
    let (kb_logits, kb_squares) = kb.unzip();
    let terms = losses(
        &text.logits,
        kb_logits.as_ref(),
        gold,
        model.system,
        config.dissimilarity,
    )?;
    let mut loss = terms.total.clone();
    if config.lambda > 0.0 {
        let text_squares = squares(model.text.weights())?;
        for squares in [text_squares, kb_squares].into_iter().flatten() {
            loss = (loss + (squares * config.lambda)?)?;
        }
    }
    Ok((loss, terms))
}
