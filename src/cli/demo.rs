use super::terminal::results;
use super::{Ended, Terminal};
use msdata::demo::{self, DemoOptions};
use msdata::table::Format;
use msdata::text::plain;
use std::io::Write;
use std::path::PathBuf;

/// See the whole tool at work on drawn images
///
/// Draws a cast of characters, builds a stress test, draws what three simulated generators make from it (a faithful one,
/// one that bleeds features between neighbours, one that clones a dominant subject), and ingests, embeds, scores and
/// reports it. Nothing is downloaded. What was done to every subject is in the generations' `meta`.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  msdata demo demo")]
pub struct DemoArgs {
    /// The directory to write; must be new or empty
    dir: PathBuf,
}

/// The truth next to what the encoder saw of it.
const TRUTH: &str = "\
SELECT g.model, t.value ->> 'fate' AS fate, count(*) AS subjects, avg(s.similarity) AS similarity
FROM generations g, json_each(g.meta, '$.subjects') t JOIN subject_scores s USING (model, prompt_id, seed)
WHERE s.ordinal = t.key GROUP BY 1, 2";

impl DemoArgs {
    pub fn run(self, terminal: &Terminal) -> anyhow::Result<Ended> {
        terminal.say("drawing, embedding and scoring; about a minute");
        let made = terminal.watch(|watch| demo::make(&self.dir, &DemoOptions::default(), watch))?;
        let mut out = results();
        writeln!(out, "Simulated: drawn characters, and three generators that are programs with known faults.\n")?;
        made.report.write(&mut out, Format::Table)?;
        let dir = msdata::text::shell_word(&self.dir);
        if let (Some(image), Some(windows), Some(boxes)) = (made.by_image, made.by_windows, made.by_boxes) {
            writeln!(
                out,
                "
Against what was drawn (1 is perfect, 0.5 is chance)   whole image   windows   true boxes
  drawn above replaced by a copy of another                  {:.3}     {:.3}        {:.3}
  drawn above bled into by a neighbour                       {:.3}     {:.3}        {:.3}
Strength of bleeding and similarity, Spearman (-1 is best)  {:.3}    {:.3}       {:.3}",
                image.kept_over_replaced,
                windows.kept_over_replaced,
                boxes.kept_over_replaced,
                image.kept_over_bled,
                windows.kept_over_bled,
                boxes.kept_over_bled,
                image.bleeding,
                windows.bleeding,
                boxes.bleeding,
            )?;
        }
        writeln!(out, "\nThe faithful generator is in truth the best. By which measures?")?;
        for winner in &made.winners {
            let demo::Winner { measure, leads, best, values: [value, faithful] } = winner;
            let aside = if *leads { "" } else { " (not shown)" };
            match winner.is_fooled() {
                false => writeln!(out, "  {measure}{aside}: yes, {value}")?,
                true => writeln!(out, "  {measure}{aside}: no, it is fooled: {best} {value}, faithful {faithful}")?,
            }
        }
        let page = made.page.display().to_string();
        writeln!(
            out,
            "
Similarity is by builtin-texture, which sees colour and texture and knows nothing of identity: it notices a coat of
other colours, and hardly another face in the same coat; the fuller the picture, the less of either. It is no
DINOv2, for which the thresholds of SCR were chosen, so no table shows SCR.

The references are in {dir}/subjects, the images in {dir}/generated, the data set in {dir}.
What was done to every subject is recorded. Beside it, what the encoder saw of it:

  msdata -d {dir} sql \"
{TRUTH}\"

Look at it: {}",
            plain(&page),
        )?;
        Ok(Ended::Done)
    }
}
