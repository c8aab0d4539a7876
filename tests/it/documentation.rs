//! The queries of docs/sql.md, run as they stand there.

use crate::support::prescribed::{Prescribed, ingest};
use msdata::Dataset;
use msdata::catalog::QueryRows;

#[test]
fn every_documented_query_runs_and_finds_something() {
    let dir = tempfile::tempdir().unwrap();
    let set = Prescribed::paper();
    let mut files = set.write(&dir.path().join("input"));
    let vectors = |name: &str, cosine: f64| {
        let path = dir.path().join(name).with_extension("parquet");
        set.write_vectors(&path, name, |i| vec![cosine; set.prompts[i.prompt].subjects.len()], None);
        path
    };
    files.embeddings = vec![vectors("dinov2-small", 0.3), vectors("clip-vit-large-patch14", 0.7)];
    // One image is not there, so that every query has something to find.
    std::fs::remove_file(dir.path().join("input/images/PSR/01_neutral/42.png")).unwrap();
    let text = std::fs::read_to_string(&files.generations).unwrap();
    std::fs::write(&files.generations, text.replace("42.png\"}", "42.png\", \"meta\": {\"time\": 3.5}}")).unwrap();
    let mut data = Dataset::init(&dir.path().join("data")).unwrap();
    ingest(&mut data, &files);

    let page = include_str!("../../docs/sql.md");
    let queries: Vec<&str> = page.split("```sql\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(queries.len(), 10);
    for query in queries {
        let mut found = 0;
        let mut row = |_: &[msdata::table::Cell]| {
            found += 1;
            Ok(())
        };
        data.query(query, QueryRows { columns: &mut |_| Ok(()), row: &mut row }).unwrap_or_else(|e| panic!("{e}\n{query}"));
        assert!(found > 0, "no row:\n{query}");
    }
}

#[test]
fn the_documented_columns_are_those_of_the_views() {
    let dir = tempfile::tempdir().unwrap();
    let mut data = Dataset::init(&dir.path().join("data")).unwrap();
    let page = include_str!("../../docs/sql.md");
    for view in [
        "subjects",
        "prompts",
        "generations",
        "subject_scores",
        "image_scores",
        "embeddings",
        "embedding_failures",
        "worst_subjects",
    ] {
        let mut names = Vec::new();
        let mut columns = |found: &[String]| {
            names = found.to_vec();
            Ok(())
        };
        let rows = QueryRows { columns: &mut columns, row: &mut |_| Ok(()) };
        data.query(&format!("SELECT * FROM {view}"), rows).unwrap();
        let listed = format!("`{}`", names.join(", "));
        assert!(page.contains(&listed), "docs/sql.md does not list the columns of {view}: {listed}");
    }
}
