//! Which output of a network is the embedding, and how it becomes one vector.
//!
//! The order is the contract's: `image_embeds` (of a text network `text_embeds`), the class token of
//! `last_hidden_state`, `pooler_output`. Nothing is guessed: outputs of other names are taken only
//! when `msdata.toml` names one. The class token of a CLIP text network is not its embedding, so of a
//! text network `text_embeds` or a named output is taken. SigLIP has no class token: both its networks
//! give their embedding as `pooler_output`.

use super::declared::{Declared, list};
use super::fit::Wants;
use crate::encoder::directory::Pooling;

/// The number of the rules here; a change of theirs changes fingerprints.
pub const CHOICE_RULE: u32 = 1;

/// What a network works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputSide {
    /// Images.
    Image,
    /// Texts.
    Text,
}

/// What is wanted of a network's outputs.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// What it works on.
    pub side: OutputSide,
    /// The output that `msdata.toml` names.
    pub output: Option<&'a str>,
    /// Whether the network must have it: what is said of the image network a text network only follows.
    pub must: bool,
    /// The pooling that `msdata.toml` names.
    pub pooling: Option<Pooling>,
    /// Whether it is SigLIP's: there is no class token, and the embedding is `pooler_output`.
    pub siglip: bool,
}

impl<'a> Wish<'a> {
    /// Of an image network.
    pub fn of_images(wants: Wants<'a>) -> Wish<'a> {
        let Wants { output, pooling, siglip, .. } = wants;
        Wish { side: OutputSide::Image, output, must: true, pooling, siglip }
    }

    /// Of a text network.
    pub fn of_texts(wants: Wants<'a>) -> Wish<'a> {
        let Wants { output, text_output, pooling, siglip, .. } = wants;
        Wish { side: OutputSide::Text, output: text_output.or(output), must: text_output.is_some(), pooling, siglip }
    }
}

/// The output that is the embedding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Its name.
    pub name: String,
    /// How it becomes one vector.
    pub pooling: Pooling,
}

/// Chooses an output.
///
/// # Errors
/// A sentence that lists the outputs there are: none of a known name, several of one rank, or a
/// pooling that does not fit.
pub fn choose(wish: Wish<'_>, outputs: &[Declared]) -> Result<Chosen, String> {
    let Wish { side, output, must, pooling, siglip } = wish;
    let find = |name: &str| outputs.iter().find(|o| o.name == name);
    if let Some(name) = output {
        match find(name) {
            Some(declared) => {
                // The pooling is the image network's; a text network's output may be one vector already.
                let pooling = pooling.filter(|_| side == OutputSide::Image || declared.shape.len() != 2);
                let chosen = named(declared, pooling)?;
                // The first token of a causal network sees no text: it would give all texts one vector.
                return match (side, chosen.pooling) {
                    (OutputSide::Text, Pooling::Cls) => {
                        Err(format!("is a text network: the first token of `{name}` is not the embedding of a text"))
                    }
                    _ => Ok(chosen),
                };
            }
            None if must => return Err(format!("has no output `{name}`; it has {}", list(outputs))),
            None => {}
        }
    }
    if side == OutputSide::Text {
        let declared = find("text_embeds").or_else(|| find("pooler_output").filter(|_| siglip));
        let declared = declared.ok_or_else(|| format!("has no output `text_embeds`; it has {}", list(outputs)))?;
        return named(declared, Some(Pooling::None));
    }
    let embeds: Vec<&Declared> = ["image_embeds", "text_embeds"].into_iter().filter_map(find).collect();
    if let [a, b] = embeds[..] {
        return Err(format!("has several outputs that may be the embedding: {}, {}", a.described(), b.described()));
    }
    // A feature map [batch, channels, height, width] of that name has no class token.
    let tokens = find("last_hidden_state").filter(|o| o.shape.len() != 4 || pooling == Some(Pooling::Mean));
    // SigLIP's first token is its first patch.
    let tokens = tokens.filter(|_| !siglip || pooling.is_some());
    let ranks = [
        (find("image_embeds"), Pooling::None),
        (tokens, pooling.filter(|p| *p != Pooling::None).unwrap_or(Pooling::Cls)),
        (find("pooler_output"), Pooling::None),
    ];
    ranks
        .into_iter()
        .filter(|(_, gives)| pooling.is_none_or(|wanted| wanted == *gives))
        .find_map(|(declared, gives)| Some((declared?, gives)))
        .map_or_else(
            || Err(format!("has no output that is known to be its embedding{}; it has {}", for_pooling(pooling), list(outputs))),
            |(declared, gives)| named(declared, Some(gives)),
        )
}

fn for_pooling(pooling: Option<Pooling>) -> String {
    pooling.map(|p| format!(" with pooling {}", p.as_str())).unwrap_or_default()
}

/// The output with its pooling: as said, else the class token of `last_hidden_state`, else none.
fn named(declared: &Declared, pooling: Option<Pooling>) -> Result<Chosen, String> {
    let default = if declared.name == "last_hidden_state" { Pooling::Cls } else { Pooling::None };
    let pooling = pooling.unwrap_or(default);
    let fits = match (pooling, &declared.shape[..]) {
        (_, []) => true,
        (Pooling::Cls, shape) => shape.len() == 3,
        (Pooling::Mean, shape) => shape.len() == 3 || shape.len() == 4,
        (Pooling::None, shape) => shape.len() >= 2 && shape[2..].iter().all(|size| *size == 1 || *size < 0),
    };
    // Two dynamic sizes more are several vectors for all we know; only the sizes of a run can tell.
    if fits && !(pooling == Pooling::None && declared.shape.len() == 3 && declared.shape[1] < 0) {
        return Ok(Chosen { name: declared.name.clone(), pooling });
    }
    Err(format!("its output {} does not fit pooling {}", declared.described(), pooling.as_str()))
}

/// Numbers in a vector, if the declared sizes tell.
pub fn declared_dimension(declared: &Declared, pooling: Pooling) -> Option<usize> {
    let at = match (pooling, declared.shape.len()) {
        (Pooling::Cls | Pooling::Mean, 3) => 2,
        _ => 1,
    };
    declared.shape.get(at).and_then(|size| usize::try_from(*size).ok())
}

/// Takes one vector an item out of an output of these sizes.
///
/// # Errors
/// A sentence: the sizes are not those of `items` items, or the pooling does not fit them.
pub fn pool(pooling: Pooling, shape: &[i64], values: &[f32], items: usize) -> Result<Vec<Vec<f32>>, String> {
    let sizes: Vec<usize> = shape.iter().map(|size| usize::try_from(*size).unwrap_or(0)).collect();
    let fault = || format!("gave sizes {sizes:?} for {items} inputs, which do not fit pooling {}", pooling.as_str());
    if sizes.first() != Some(&items) || values.is_empty() || sizes.iter().product::<usize>() != values.len() {
        return Err(fault());
    }
    let of_item: fn(&[f32], &[usize]) -> Vec<f32> = match (pooling, &sizes[1..]) {
        (Pooling::None, [_, rest @ ..]) if rest.iter().all(|size| *size == 1) => |item, _| item.to_vec(),
        (Pooling::Cls, [_, _]) => |item, sizes| item[..sizes[1]].to_vec(),
        (Pooling::Mean, [_, _]) => |item, sizes| {
            let tokens = item.chunks_exact(sizes[1]);
            (0..sizes[1]).map(|i| mean(tokens.clone().map(|token| token[i]))).collect()
        },
        (Pooling::Mean, [_, _, _]) => {
            |item, sizes| item.chunks_exact(sizes[1] * sizes[2]).map(|map| mean(map.iter().copied())).collect()
        }
        _ => return Err(fault()),
    };
    Ok(values.chunks_exact(values.len() / items).map(|item| of_item(item, &sizes[1..])).collect())
}

/// In float64, in order: the same whatever the batch.
fn mean(values: impl ExactSizeIterator<Item = f32>) -> f32 {
    let count = values.len() as f64;
    (values.map(f64::from).sum::<f64>() / count) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(list: &[(&str, &[i64])]) -> Vec<Declared> {
        list.iter().map(|(name, shape)| Declared { name: name.to_string(), element: 1, shape: shape.to_vec() }).collect()
    }

    fn wish(side: OutputSide, output: Option<&'static str>, pooling: Option<Pooling>) -> Wish<'static> {
        Wish { side, output, must: side == OutputSide::Image, pooling, siglip: false }
    }

    fn chosen(name: &str, pooling: Pooling) -> Result<Chosen, String> {
        Ok(Chosen { name: name.into(), pooling })
    }

    #[test]
    fn the_contracts_order() {
        let image = |list: &[(&str, &[i64])]| choose(wish(OutputSide::Image, None, None), &outputs(list));
        let tokens: (&str, &[i64]) = ("last_hidden_state", &[-1, 257, 64]);
        let pooled: (&str, &[i64]) = ("pooler_output", &[-1, 64]);
        assert_eq!(image(&[tokens, pooled, ("image_embeds", &[-1, 32])]), chosen("image_embeds", Pooling::None));
        assert_eq!(image(&[pooled, tokens]), chosen("last_hidden_state", Pooling::Cls));
        assert_eq!(image(&[pooled]), chosen("pooler_output", Pooling::None));
        let map: (&str, &[i64]) = ("last_hidden_state", &[-1, 2048, 7, 7]);
        assert_eq!(image(&[map, ("pooler_output", &[-1, 2048, 1, 1])]), chosen("pooler_output", Pooling::None));
    }

    #[test]
    fn what_is_not_known_is_listed_not_guessed() {
        let image = |list: &[(&str, &[i64])]| choose(wish(OutputSide::Image, None, None), &outputs(list)).unwrap_err();
        assert_eq!(
            image(&[("a", &[-1, 8]), ("b", &[1, 9])]),
            "has no output that is known to be its embedding; it has `a` [?, 8], `b` [1, 9]"
        );
        let both = image(&[("text_embeds", &[-1, 8]), ("image_embeds", &[-1, 8])]);
        assert_eq!(both, "has several outputs that may be the embedding: `image_embeds` [?, 8], `text_embeds` [?, 8]");
    }

    #[test]
    fn settings_override() {
        let list = outputs(&[
            ("image_embeds", &[-1, 32]),
            ("last_hidden_state", &[-1, 50, 64]),
            ("pooler_output", &[-1, 64]),
            ("map", &[-1, 8, 7, 7]),
        ]);
        let image = |output, pooling| choose(wish(OutputSide::Image, output, pooling), &list);
        assert_eq!(image(Some("pooler_output"), None), chosen("pooler_output", Pooling::None));
        assert_eq!(image(Some("last_hidden_state"), None), chosen("last_hidden_state", Pooling::Cls));
        assert_eq!(image(None, Some(Pooling::Mean)), chosen("last_hidden_state", Pooling::Mean));
        assert_eq!(image(Some("map"), Some(Pooling::Mean)), chosen("map", Pooling::Mean));
        assert!(image(Some("map"), None).unwrap_err().contains("does not fit pooling none"));
        assert!(image(Some("pooler_output"), Some(Pooling::Cls)).is_err());
        assert!(image(Some("absent"), None).unwrap_err().contains("`map` [?, 8, 7, 7]"));
    }

    #[test]
    fn a_text_networks_class_token_is_not_its_embedding() {
        let list = outputs(&[("last_hidden_state", &[-1, -1, 16]), ("pooler_output", &[-1, 16])]);
        assert!(choose(wish(OutputSide::Text, None, None), &list).is_err());
        let error = choose(wish(OutputSide::Text, Some("last_hidden_state"), None), &list).unwrap_err();
        assert!(error.contains("the first token of `last_hidden_state`"), "{error}");
        assert_eq!(choose(wish(OutputSide::Text, Some("pooler_output"), None), &list), chosen("pooler_output", Pooling::None));
        let clip = outputs(&[("last_hidden_state", &[-1, -1, 16]), ("text_embeds", &[-1, 32])]);
        assert_eq!(
            choose(wish(OutputSide::Text, Some("image_embeds"), Some(Pooling::None)), &clip),
            chosen("text_embeds", Pooling::None)
        );
    }

    #[test]
    fn siglips_embedding_is_what_its_head_gives() {
        let list = outputs(&[("last_hidden_state", &[-1, 196, 8]), ("pooler_output", &[-1, 8])]);
        let siglip = |side, output, pooling| choose(Wish { siglip: true, ..wish(side, output, pooling) }, &list);
        assert_eq!(siglip(OutputSide::Image, None, None), chosen("pooler_output", Pooling::None));
        assert_eq!(siglip(OutputSide::Text, None, None), chosen("pooler_output", Pooling::None));
        assert_eq!(siglip(OutputSide::Image, None, Some(Pooling::Mean)), chosen("last_hidden_state", Pooling::Mean));
    }

    #[test]
    fn a_text_networks_own_output_must_be_there() {
        let list = outputs(&[("text_features", &[-1, 8]), ("text_embeds", &[-1, 8])]);
        let text = |text_output| {
            let wants = Wants { output: Some("image_features"), text_output, pooling: Some(Pooling::Mean), ..Wants::default() };
            choose(Wish::of_texts(wants), &list)
        };
        assert_eq!(text(Some("text_features")), chosen("text_features", Pooling::None));
        assert_eq!(text(None), chosen("text_embeds", Pooling::None));
        assert!(text(Some("absent")).unwrap_err().contains("has no output `absent`"));
    }

    #[test]
    fn pooling() {
        let tokens = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]; // 2 items, 2 tokens, 2 numbers
        assert_eq!(pool(Pooling::Cls, &[2, 2, 2], &tokens, 2).unwrap(), [[1.0, 2.0], [5.0, 6.0]]);
        assert_eq!(pool(Pooling::Mean, &[2, 2, 2], &tokens, 2).unwrap(), [[2.0, 3.0], [6.0, 7.0]]);
        assert_eq!(pool(Pooling::Mean, &[1, 2, 2, 2], &tokens, 1).unwrap(), [[2.5, 6.5]]);
        assert_eq!(pool(Pooling::None, &[2, 4, 1, 1], &tokens, 2).unwrap(), [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]);
        for (pooling, shape, items) in [
            (Pooling::None, &[2, 2, 2][..], 2),
            (Pooling::Cls, &[2, 4], 2),
            (Pooling::None, &[8], 8),
            (Pooling::None, &[2, 4], 3),
        ] {
            assert!(pool(pooling, shape, &tokens, items).is_err(), "{shape:?}");
        }
    }
}
