//! Which models are shown, in which order, and under which names.

use super::Snapshot;
use crate::error::{Error, Result};
use crate::text::{nearest, plain, quote};
use crate::vocabulary::{COMPOSITE, CROP, ModelName};

/// A choice of models and the names that they are shown by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelSelection {
    /// Only these, in this order; empty: all. By either name, where one is renamed.
    pub only: Vec<ModelName>,
    /// A model's name in the data set, and the name to show.
    pub renamed: Vec<(ModelName, ModelName)>,
}

impl ModelSelection {
    /// Returns the name by which a model is shown.
    pub fn shown<'n>(&'n self, name: &'n ModelName) -> &'n ModelName {
        self.renamed.iter().find(|(from, _)| from == name).map_or(name, |(_, to)| to)
    }
}

impl Snapshot {
    /// Finds the models that `msdata controls make` fills. To be called before models are renamed.
    pub(crate) fn find_composites(&mut self) {
        let place =
            |wanted: &str| self.models.iter().position(|(name, control)| *control && *name == *wanted).map(|at| at as u32);
        (self.composite, self.crop) = (place(COMPOSITE), place(CROP));
    }

    /// Renames models, and restricts what is shown to some.
    ///
    /// # Errors
    /// There is no such model, or two would have the same name.
    pub(crate) fn select(&mut self, selection: &ModelSelection) -> Result<()> {
        let mut places = Vec::new();
        for (from, to) in &selection.renamed {
            places.push((self.place(from)?, to));
        }
        for (place, to) in places {
            self.models[place as usize].0 = to.clone();
        }
        for (at, (name, _)) in self.models.iter().enumerate() {
            if self.models[..at].iter().any(|(other, _)| other == name) {
                let message = format!("two models would be called {}", quote(name.as_str()));
                return Err(Error::request(message, "give each a name of its own with `--rename OLD=NEW`"));
            }
        }
        if !selection.only.is_empty() {
            let mut shown = Vec::new();
            for name in &selection.only {
                let place = self.place(selection.shown(name))?;
                if !shown.contains(&place) {
                    shown.push(place);
                }
            }
            self.shown = Some(shown);
        }
        Ok(())
    }

    /// Returns the place of an encoder.
    pub(crate) fn encoder_place(&self, name: &str) -> Option<usize> {
        self.encoders.iter().position(|(_, known)| *known == *name)
    }

    /// The place of the encoder that decides collapse.
    pub(super) fn identity_place(&self) -> usize {
        self.encoder_place(&self.identity).unwrap_or(0)
    }

    /// Whether a model is in a report; a control is where models are told apart.
    pub(super) fn is_reported(&self, model: u32, apart: bool) -> bool {
        (apart || !self.models[model as usize].1) && self.is_shown(model)
    }

    /// Whether a model is to be shown.
    pub(crate) fn is_shown(&self, model: u32) -> bool {
        self.shown.as_ref().is_none_or(|shown| shown.contains(&model))
    }

    /// A model's place among those shown: as the user ordered them, else by name.
    pub(crate) fn order(&self, model: usize) -> usize {
        let chosen = self.shown.as_ref().and_then(|shown| shown.iter().position(|at| *at as usize == model));
        chosen.unwrap_or(model)
    }

    /// Returns the place of a model.
    ///
    /// # Errors
    /// There is no such model.
    pub(super) fn place(&self, name: &ModelName) -> Result<u32> {
        if let Some(at) = self.models.iter().position(|(known, _)| known == name) {
            return Ok(at as u32);
        }
        let known: Vec<&str> = self.models.iter().map(|(known, _)| known.as_str()).collect();
        let near = nearest(name.as_str(), known.iter().copied());
        let near = near.map_or_else(String::new, |near| format!("; did you mean {}?", quote(near)));
        Err(Error::request(
            format!("there is no model {}{near}", quote(name.as_str())),
            format!("there are {}", plain(&known.join(", "))),
        ))
    }
}
