use msdata::report::ModelSelection;
use msdata::vocabulary::ModelName;

/// Which models are shown, and by which names.
#[derive(clap::Args)]
pub struct Selection {
    /// Only these models, in this order
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    models: Vec<ModelName>,
    /// Show a model by another name (repeatable)
    #[arg(long, value_name = "OLD=NEW", value_delimiter = ',', value_parser = renamed)]
    rename: Vec<(ModelName, ModelName)>,
}

impl From<Selection> for ModelSelection {
    fn from(Selection { models, rename }: Selection) -> ModelSelection {
        ModelSelection { only: models, renamed: rename }
    }
}

fn renamed(text: &str) -> Result<(ModelName, ModelName), String> {
    let (from, to) = text.split_once('=').ok_or("expected OLD=NEW, such as mosaic=MOSAIC")?;
    Ok((ModelName::new(from)?, ModelName::new(to)?))
}
