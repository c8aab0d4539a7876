//! Opens networks and runs them: pixels or token ids in, vectors out.
//!
//! A network's tensors are found by their declared names: `pixel_values`, or `input_ids` and
//! `attention_mask`, or as `msdata.toml` says; an input of another name is refused by name. Sizes that the
//! network fixes are held to. Vectors are as the network gave them, not normalised.
//!
//! Every run has the same number of images; the last is filled up by repeating its last image. Runs of
//! other sizes can give vectors that differ in their last digits: vector instructions end in another
//! place. With one size, 1 or a multiple of [`Batch::WIDTH`], a vector did not depend on its neighbours, its
//! place, or the number of threads for any network tried (ONNX Runtime 1.31.1, AVX-512; ONNX Runtime
//! promises nothing).

use super::crew::Crew;
use super::declared::{Declared, FLOAT16, INT64};
use super::device::Device;
use super::fit::{image_fit, text_fit};
use super::network::{Loaded, Network};
use super::runtime::Runtime;
use crate::encoder::directory::{EncoderDirectory, Pooling, one_error};
use crate::error::Result;
use half::f16;
use half::slice::HalfFloatSliceExt;
use std::borrow::Cow;

/// How networks are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// As [`Runtime::choose`] gave it.
    pub device: Device,
    /// Threads on the CPU, of all runs together.
    pub threads: usize,
    /// Images of one run, unless the network fixes another number.
    pub batch: Batch,
}

/// How many images a run has: one, or a multiple of [`Batch::WIDTH`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch(usize);

impl Batch {
    /// Numbers that the widest vector instructions of today's float32 loops leave no rest of.
    pub const WIDTH: usize = 8;

    /// On the CPU: what lies in the caches is not pushed out by the next image, and no run is filled up.
    pub const CPU: Batch = Batch(1);

    /// On a GPU.
    pub const CUDA: Batch = Batch(32);

    /// # Errors
    /// Another number: a vector could depend on its place in a batch.
    pub fn new(images: usize) -> std::result::Result<Batch, String> {
        if images == 1 || (images > 0 && images.is_multiple_of(Batch::WIDTH)) {
            return Ok(Batch(images));
        }
        Err(format!("a batch is 1 image or a multiple of {}, so that no vector depends on its place in it", Batch::WIDTH))
    }

    /// The number.
    pub fn images(self) -> usize {
        self.0
    }
}

impl std::str::FromStr for Batch {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Batch, String> {
        text.parse().map_err(|_| format!("`{text}` is not a number")).and_then(Batch::new)
    }
}

/// A vector, or why there is none for this item.
pub type Vector = std::result::Result<Vec<f32>, VectorFault>;

/// What makes a vector useless.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VectorFault {
    /// It holds NaN or an infinity.
    #[error("the network gave a vector with numbers that are not finite")]
    NotFinite,
    /// It is all zero: it has no direction.
    #[error("the network gave a vector of zeros")]
    AllZero,
    /// A text has more tokens than the network takes, or none.
    #[error("it has {tokens} tokens, and the network takes 1 to {longest}")]
    Length {
        /// Of the text.
        tokens: usize,
        /// As many as the network takes.
        longest: usize,
    },
    /// The network fails on this text and not on another.
    #[error("{0}")]
    Failed(String),
}

fn sound(vector: Vec<f32>) -> Vector {
    if !vector.iter().all(|x| x.is_finite()) {
        Err(VectorFault::NotFinite)
    } else if vector.iter().all(|x| *x == 0.0) {
        Err(VectorFault::AllZero)
    } else {
        Ok(vector)
    }
}

/// An image network, ready to run.
#[derive(Debug)]
pub struct ImageModel {
    pub(super) crew: Crew,
    pub(super) input: Declared,
    /// Height and width, in pixels.
    pub(super) size: [usize; 2],
    pub(super) batch: usize,
    dimension: usize,
}

impl ImageModel {
    /// Opens an encoder's image network; `size` is the preprocessing's height and width in pixels.
    ///
    /// # Errors
    /// [`Error::Encoder`](crate::error::Error::Encoder): not a whole model, ONNX Runtime refuses it, an input that is not known, no
    /// single output to take, or another image size.
    pub fn open(encoder: &EncoderDirectory, size: [usize; 2], runtime: &'static Runtime, options: Options) -> Result<ImageModel> {
        let path = &encoder.image_model;
        let (crew, input) = Crew::open(path, runtime, options, |loaded| {
            let fit = image_fit(path, &loaded.signature, encoder.wants(), Some(size));
            fit.map(|fit| (fit.output, fit.input)).map_err(|faults| one_error(path, faults))
        })?;
        let batch = input.fixed(0).unwrap_or(options.batch.images());
        let mut model = ImageModel { batch, dimension: crew.network().dimension.unwrap_or(0), crew, input, size };
        if model.dimension == 0 {
            // The file does not say how long a vector is: grey images tell.
            model.dimension = model.run(&vec![0.0; model.image()])?.first().map_or(0, Vec::len);
        }
        Ok(model)
    }

    /// Numbers in a vector.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The name of the output that is taken, and the pooling.
    pub fn output(&self) -> (&str, Pooling) {
        let output = self.crew.network().output();
        (&output.name, output.pooling)
    }

    /// Height and width of its images, in pixels.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Images to embed in one call: fewer leave some of the processor idle.
    pub fn at_once(&self) -> usize {
        self.batch * self.crew.batches()
    }

    /// Numbers in an image.
    fn image(&self) -> usize {
        3 * self.size[0] * self.size[1]
    }

    /// The vectors of images: `pixels` is images × 3 × height × width, normalised.
    ///
    /// # Errors
    /// [`Error::Encoder`](crate::error::Error::Encoder): a part of an image, or ONNX Runtime failed.
    pub fn embed(&mut self, pixels: &[f32]) -> Result<Vec<Vector>> {
        let image = self.image();
        if !pixels.len().is_multiple_of(image) {
            return Err(self
                .crew
                .network()
                .refused(format!("was given {} numbers, which is not a multiple of an image's {image}", pixels.len())));
        }
        Ok(self.run(pixels)?.into_iter().map(sound).collect())
    }

    /// The vectors of whole images, as the network gave them.
    fn run(&mut self, pixels: &[f32]) -> Result<Vec<Vec<f32>>> {
        let (batch, input, size) = (self.batch, &self.input, self.size);
        let vectors = self.crew.run(batches(pixels, self.image(), batch), |network, (given, pixels)| {
            let value = tensor(network, input, [batch, 3, size[0], size[1]], &pixels)?;
            let mut vectors = network.run(vec![(&input.name, value)], batch)?;
            vectors.truncate(given);
            Ok(vectors)
        })?;
        Ok(vectors.into_iter().flatten().collect())
    }
}

/// Cuts images of `image` numbers each into batches: how many images each was given, and its numbers, the last filled up.
pub(super) fn batches(pixels: &[f32], image: usize, batch: usize) -> impl Iterator<Item = (usize, Cow<'_, [f32]>)> + Send {
    pixels.chunks(batch * image).map(move |some| {
        let given = some.len() / image;
        let filled = match given < batch {
            true => Cow::Owned([some, &some[some.len() - image..].repeat(batch - given)].concat()),
            false => Cow::Borrowed(some),
        };
        (given, filled)
    })
}

/// Returns a network's input of these sizes over `pixels`, of the type that it takes.
pub(super) fn tensor<'v>(
    network: &Network,
    input: &Declared,
    shape: [usize; 4],
    pixels: &'v [f32],
) -> Result<ort::session::SessionInputValue<'v>> {
    if input.element != FLOAT16 {
        return network.borrowed(&shape, pixels);
    }
    let mut values = vec![f16::ZERO; pixels.len()];
    values.convert_from_f32_slice(pixels);
    network.owned(&shape, values)
}

/// A text network, ready to run.
#[derive(Debug)]
pub struct TextModel {
    network: Network,
    ids: Declared,
    /// `attention_mask`, where the network takes it.
    mask: Option<Declared>,
    dimension: usize,
}

impl TextModel {
    /// Opens an encoder's text network; `None` if the encoder has none.
    ///
    /// # Errors
    /// [`Error::Encoder`](crate::error::Error::Encoder): not a whole model, ONNX Runtime refuses it, an input that is not known
    /// (`position_ids`, `token_type_ids`), or no output to take.
    pub fn open(encoder: &EncoderDirectory, runtime: &'static Runtime, options: Options) -> Result<Option<TextModel>> {
        let Some(files) = &encoder.text else { return Ok(None) };
        let path = &files.model;
        let loaded = Loaded::of(path, runtime, options)?;
        let fit = text_fit(path, &loaded.signature, encoder.wants());
        let fit = fit.map_err(|faults| one_error(path, faults))?;
        let network = Network::new(loaded, path, fit.output, runtime)?;
        let mut model = TextModel { dimension: network.dimension.unwrap_or(0), network, ids: fit.ids, mask: fit.mask };
        if model.dimension == 0 {
            // The file does not say how long a vector is: any text tells.
            model.dimension = model.run(&[0])?.len();
        }
        Ok(Some(model))
    }

    /// Numbers in a vector.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The vectors of texts, given as token ids. One text a run: prompts are few, and no padding can then
    /// change a vector. A text that the network cannot take is that text's fault alone.
    ///
    /// # Errors
    /// [`crate::error::Error::Encoder`]: ONNX Runtime failed, whatever the text.
    pub fn embed(&mut self, texts: &[Vec<i64>]) -> Result<Vec<Vector>> {
        texts.iter().map(|ids| self.embed_one(ids)).collect()
    }

    fn embed_one(&mut self, ids: &[i64]) -> Result<Vector> {
        let longest = self.ids.fixed(1).unwrap_or(ids.len());
        let (Some(end), true) = (ids.last(), ids.len() <= longest) else {
            return Ok(Err(VectorFault::Length { tokens: ids.len(), longest }));
        };
        match self.run(ids) {
            Ok(vector) => Ok(sound(vector)),
            // Where a text of end tokens passes, it was this text: a token that the network does not know, say.
            Err(fault) => match self.run(&vec![*end; ids.len()]) {
                Ok(_) => Ok(Err(VectorFault::Failed(fault.to_string()))),
                Err(_) => Err(fault),
            },
        }
    }

    fn run(&mut self, ids: &[i64]) -> Result<Vec<f32>> {
        let length = self.ids.fixed(1).unwrap_or(ids.len());
        let batch = self.ids.fixed(0).unwrap_or(1);
        // CLIP looks at the first end token and, being causal, at nothing behind it.
        let end = ids.last().copied().unwrap_or_default();
        let padded: Vec<i64> = ids.iter().copied().chain(std::iter::repeat(end)).take(length).collect();
        let mut inputs = vec![(self.ids.name.as_str(), self.integers(&self.ids, padded.repeat(batch), batch)?)];
        if let Some(mask) = &self.mask {
            let seen: Vec<i64> = (0..length).map(|at| i64::from(at < ids.len())).collect();
            inputs.push((mask.name.as_str(), self.integers(mask, seen.repeat(batch), batch)?));
        }
        let vectors = self.network.run(inputs, batch)?;
        vectors.into_iter().next().ok_or_else(|| self.network.refused("gave no vector"))
    }

    fn integers(&self, input: &Declared, values: Vec<i64>, batch: usize) -> Result<ort::session::SessionInputValue<'static>> {
        let shape = [batch, values.len() / batch];
        if input.element == INT64 {
            return self.network.owned(&shape, values);
        }
        let narrow: std::result::Result<Vec<i32>, _> = values.into_iter().map(i32::try_from).collect();
        self.network.owned(&shape, narrow.map_err(|_| self.network.refused("takes int32 token ids, and one is greater"))?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{FLOAT, FLOAT16, INT32, INT64, List, Model, Number, integers, node};
    use super::*;

    /// A directory with this image network, and this text network if it is not empty.
    fn saved(image: &Model, text: Option<&Model>, settings: &str) -> (tempfile::TempDir, EncoderDirectory) {
        let dir = tempfile::Builder::new().prefix("net").tempdir().unwrap();
        std::fs::write(dir.path().join("model.onnx"), image.bytes()).unwrap();
        std::fs::write(dir.path().join("preprocessor_config.json"), "{}").unwrap();
        std::fs::write(dir.path().join("tokenizer.json"), "{}").unwrap();
        std::fs::write(dir.path().join("msdata.toml"), settings).unwrap();
        if let Some(text) = text {
            std::fs::write(dir.path().join("text_model.onnx"), text.bytes()).unwrap();
        }
        let read = EncoderDirectory::read(dir.path()).unwrap();
        (dir, read)
    }

    fn runtime() -> &'static Runtime {
        let home = crate::encoder::Home::from_env().unwrap();
        Runtime::load(&home, None).unwrap_or_else(|e| panic!("{e}; {}", e.hint().unwrap_or_default()))
    }

    const ONE_THREAD: Options = Options { device: Device::Cpu, threads: 1, batch: Batch(8) };

    fn image(model: &Model, settings: &str) -> Result<ImageModel> {
        let (_dir, encoder) = saved(model, None, settings);
        ImageModel::open(&encoder, [1, 2], runtime(), ONE_THREAD)
    }

    fn text(model: &Model) -> Result<TextModel> {
        let (_dir, encoder) = saved(&Model::channel_means(), Some(model), "");
        TextModel::open(&encoder, runtime(), ONE_THREAD).map(Option::unwrap)
    }

    /// Images of 1 × 2 pixels; channel means 2, 3, 4 and 5, 6, 7 and 8, 9, 10.
    const PIXELS: [f32; 18] = [1., 3., 2., 4., 3., 5., 4., 6., 5., 7., 6., 8., 7., 9., 8., 10., 9., 11.];

    fn means(first: f32) -> Vector {
        Ok(vec![first, first + 1.0, first + 2.0])
    }

    #[test]
    fn batches_leave_no_rest() {
        assert_eq!("16".parse(), Ok(Batch(16)));
        assert_eq!(Batch::new(1), Ok(Batch(1)));
        for wrong in ["0", "3", "12", "-8", "x"] {
            assert!(wrong.parse::<Batch>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn models_can_be_moved_to_another_thread() {
        fn movable<T: Send>() {}
        movable::<ImageModel>();
        movable::<TextModel>();
    }

    #[test]
    fn images_in_vectors_out() {
        let mut model = image(&Model::channel_means(), "").unwrap();
        assert_eq!((model.dimension(), model.size(), model.at_once()), (3, [1, 2], 8));
        assert_eq!(model.embed(&PIXELS).unwrap(), [means(2.0), means(5.0), means(8.0)]);
        assert_eq!(model.embed(&[]).unwrap(), []);
        assert!(model.embed(&PIXELS[1..]).unwrap_err().to_string().contains("not a multiple of an image's 6"));
    }

    #[test]
    fn a_fixed_batch_is_filled_up_and_the_surplus_dropped() {
        let fixed = Model::default()
            .with_input("pixel_values", FLOAT, &[2, 3, 1, 2])
            .with_node(node("GlobalAveragePool", &["pixel_values"], "image_embeds", &[]))
            .with_output("image_embeds", FLOAT, &[2, 3, 1, 1]);
        let mut model = image(&fixed, "").unwrap();
        assert_eq!(model.at_once(), 2);
        assert_eq!(model.embed(&PIXELS).unwrap(), [means(2.0), means(5.0), means(8.0)]);
    }

    #[test]
    fn sessions_side_by_side_keep_the_order() {
        let (_dir, encoder) = saved(&Model::channel_means(), None, "");
        let options = Options { threads: 3, batch: Batch(1), ..ONE_THREAD };
        let mut model = ImageModel::open(&encoder, [1, 2], runtime(), options).unwrap();
        assert_eq!(model.at_once(), 12);
        let pixels: Vec<f32> = (0..50).flat_map(|i| PIXELS.map(|x| x + 10.0 * i as f32)).collect();
        let expected: Vec<Vector> = (0..50).flat_map(|i| [2.0, 5.0, 8.0].map(|first| means(first + 10.0 * i as f32))).collect();
        assert_eq!(model.embed(&pixels).unwrap(), expected);
    }

    #[test]
    fn half_precision_in_and_out() {
        let half = Model::default()
            .with_input("pixel_values", FLOAT16, &[-1, 3, -1, -1])
            .with_node(node("ReduceMean", &["pixel_values"], "image_embeds", &[("axes", List(&[2, 3])), ("keepdims", Number(0))]))
            .with_output("image_embeds", FLOAT16, &[-1, 3]);
        assert_eq!(image(&half, "").unwrap().embed(&PIXELS[..6]).unwrap(), [means(2.0)]);
    }

    #[test]
    fn an_undeclared_length_is_found_out_and_settings_are_followed() {
        // The pixels as tokens: [b, 3, 1, 2] → [b, 3, 2]. Class token: the first channel.
        let tokens = Model::default()
            .with_input("pixel_values", FLOAT, &[-1, -1, -1, -1])
            .with_initializer(integers("shape", &[0, 3, -1]))
            .with_node(node("Reshape", &["pixel_values", "shape"], "last_hidden_state", &[]))
            .with_output("last_hidden_state", FLOAT, &[-1, -1, -1]);
        let mut cls = image(&tokens, "").unwrap();
        assert_eq!((cls.dimension(), cls.embed(&PIXELS[..6]).unwrap()), (2, vec![Ok(vec![1.0, 3.0])]));
        let mut mean = image(&tokens, "pooling = \"mean\"").unwrap();
        assert_eq!(mean.embed(&PIXELS[..6]).unwrap(), [Ok(vec![2.0, 4.0])]);
        assert_eq!(mean.output(), ("last_hidden_state", Pooling::Mean));
        assert!(
            image(&tokens, "output = \"none_such\"")
                .unwrap_err()
                .to_string()
                .contains("has no output `none_such`; it has `last_hidden_state` [")
        );
    }

    #[test]
    fn a_bad_vector_is_its_images_fault_alone() {
        let mut model = image(&Model::channel_means(), "").unwrap();
        let mut pixels = PIXELS;
        pixels[..6].fill(0.0);
        pixels[7] = f32::NAN;
        let expected = [Err(VectorFault::AllZero), Err(VectorFault::NotFinite), means(8.0)];
        assert_eq!(model.embed(&pixels).unwrap(), expected);
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let means = |name: &str, element, shape: &[i64]| {
            Model::default()
                .with_input(name, element, shape)
                .with_node(node("Cast", &[name], "wide", &[("to", Number(1))]))
                .with_node(node("GlobalAveragePool", &["wide"], "image_embeds", &[]))
                .with_output("image_embeds", FLOAT, &[-1, -1, 1, 1])
        };
        let combined = means("pixel_values", FLOAT, &[-1, 3, -1, -1]).with_input("input_ids", INT64, &[-1, -1]);
        let more = means("pixel_values", FLOAT, &[-1, 3, -1, -1]).with_input("pixel_mask", FLOAT, &[-1, -1]);
        for (model, said) in [
            (means("images", FLOAT, &[-1, 3, -1, -1]), "has no input `pixel_values`; it takes `images` [?, 3, ?, ?]"),
            (means("pixel_values", INT32, &[-1, 3, -1, -1]), "not float32 or float16"),
            (means("pixel_values", FLOAT, &[-1, 224, 224, 3]), "is not batch × 3 channels × height × width"),
            (means("pixel_values", FLOAT, &[-1, 3, 336, 336]), "takes images of 336 × 336, and the preprocessing makes 1 × 2"),
            (combined, "is one network for images and texts"),
            (more, "takes `pixel_mask` [?, ?] besides `pixel_values`"),
        ] {
            let error = image(&model, "").unwrap_err();
            assert!(error.to_string().contains(said) && error.to_string().contains("model.onnx"), "{error}");
            assert!(error.hint().is_some());
        }
    }

    #[test]
    fn a_network_that_the_runtime_refuses_is_named() {
        let unknown = Model::default()
            .with_input("pixel_values", FLOAT, &[-1, 3, -1, -1])
            .with_node(node("NoSuchOperator", &["pixel_values"], "image_embeds", &[]))
            .with_output("image_embeds", FLOAT, &[-1, 3]);
        let error = image(&unknown, "").unwrap_err().to_string();
        assert!(error.contains("model.onnx: ONNX Runtime cannot open it: ") && error.contains("NoSuchOperator"), "{error}");
    }

    /// Token ids to the greatest of them, as a vector of one number.
    fn greatest(element: u64, shape: &[i64]) -> Model {
        Model::default()
            .with_input("input_ids", element, shape)
            .with_node(node("Cast", &["input_ids"], "wide", &[("to", Number(1))]))
            .with_node(node("ReduceMax", &["wide"], "text_embeds", &[("axes", List(&[1])), ("keepdims", Number(1))]))
            .with_output("text_embeds", FLOAT, &[shape[0], 1])
    }

    #[test]
    fn texts_of_any_length() {
        for model in [greatest(INT64, &[-1, -1]), greatest(INT32, &[-1, -1]), greatest(INT64, &[2, 4])] {
            let mut model = text(&model).unwrap();
            assert_eq!(model.dimension(), 1);
            assert_eq!(model.embed(&[vec![5, 6], vec![1, 2, 3]]).unwrap(), [Ok(vec![6.0]), Ok(vec![3.0])]);
        }
        let mut short = text(&greatest(INT64, &[-1, 4])).unwrap();
        let embedded = short.embed(&[vec![1; 5], vec![2; 4], vec![]]).unwrap();
        let fault = |tokens| Err(VectorFault::Length { tokens, longest: 4 });
        assert_eq!(embedded, [fault(5), Ok(vec![2.0]), fault(0)]);
    }

    #[test]
    fn text_inputs_that_are_not_known_are_refused_by_name() {
        let error = text(&greatest(INT64, &[-1, -1]).with_input("position_ids", INT64, &[-1, -1])).unwrap_err().to_string();
        assert!(error.contains("text_model.onnx: takes `position_ids` [?, ?] besides `input_ids`"), "{error}");
        let error = text(&greatest(FLOAT, &[-1, -1])).unwrap_err().to_string();
        assert!(error.contains("not int64 or int32"), "{error}");
    }
}
