//! Croissant metadata: `croissant.json`, version 1.1, with the fields on responsible use and provenance that dataset
//! tracks ask for.

use super::card::Named;
use super::described::{ColumnKind, PublishedColumn, PublishedTable};
use super::readme::{About, is_address, is_identifier};
use crate::error::{Error, Result};
use crate::watch::Watch;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Terms of Croissant: the term `x` is `cr:x`.
const TERMS: [&str; 27] = [
    "arrayShape",
    "citeAs",
    "column",
    "containedIn",
    "equivalentProperty",
    "extract",
    "field",
    "fileObject",
    "fileProperty",
    "fileSet",
    "format",
    "includes",
    "isArray",
    "isLiveDataset",
    "jsonPath",
    "key",
    "md5",
    "parentField",
    "path",
    "recordSet",
    "references",
    "regex",
    "repeated",
    "replace",
    "samplingRate",
    "separator",
    "source",
];

/// The prefixes and terms of Croissant 1.1.
fn context() -> Value {
    let mut context = json!({
        "@language": "en",
        "@vocab": "https://schema.org/",
        "conformsTo": "dct:conformsTo",
        "cr": "http://mlcommons.org/croissant/",
        "data": { "@id": "cr:data", "@type": "@json" },
        "dataType": { "@id": "cr:dataType", "@type": "@vocab" },
        "dct": "http://purl.org/dc/terms/",
        "description": { "@container": "@language" },
        "examples": { "@id": "cr:examples", "@type": "@json" },
        "name": { "@container": "@language" },
        "prov": "http://www.w3.org/ns/prov#",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "sc": "https://schema.org/",
        "subField": "cr:subField",
        "transform": "cr:transform",
    });
    for term in TERMS {
        context[term] = json!(format!("cr:{term}"));
    }
    context
}

/// Returns the metadata of the published data set in `dir`.
///
/// # Errors
/// A table cannot be read, or the caller wants to stop.
pub fn text(about: &About<'_>, tables: &[PublishedTable], dir: &Path, watch: &mut Watch<'_>) -> Result<String> {
    let card = about.card;
    let mut distribution = Vec::new();
    for table in tables {
        for file in &table.files {
            let (bytes, sha256) = digest(&dir.join(file), watch)?;
            distribution.push(json!({
                "@type": "cr:FileObject",
                "@id": file,
                "name": file,
                "contentUrl": file,
                "contentSize": format!("{bytes} B"),
                "encodingFormat": "application/x-parquet",
                "sha256": sha256,
            }));
        }
        if is_set(table) {
            distribution.push(json!({
                "@type": "cr:FileSet",
                "@id": set_id(table),
                "name": set_id(table),
                "encodingFormat": "application/x-parquet",
                "includes": table.pattern,
            }));
        }
    }
    let mut generated_by: Vec<Value> = card.generated_by.iter().map(|named| provenance("prov:Activity", named)).collect();
    generated_by.push(provenance(
        "prov:Activity",
        &Named {
            name: format!(
                "Vectors and similarities: msdata {}, with the encoders {}",
                env!("CARGO_PKG_VERSION"),
                encoders(about)
            ),
            url: None,
            more: None,
        },
    ));
    let metadata = json!({
        "@context": context(),
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": card.name,
        "description": card.description,
        "url": card.url,
        "license": licence(&card.license),
        "creator": card.creators.iter().map(creator).collect::<Vec<_>>(),
        "citeAs": card.citation,
        "datePublished": card.date_published,
        "version": card.version,
        "keywords": card.keywords,
        "isLiveDataset": false,
        "rai:dataCollection": card.data_collection,
        "rai:dataBiases": card.data_biases,
        "rai:personalSensitiveInformation": card.personal_sensitive_information,
        "rai:dataLimitations": card.data_limitations,
        "rai:dataUseCases": card.data_use_cases,
        "rai:dataSocialImpact": card.data_social_impact,
        "rai:hasSyntheticData": card.has_synthetic_data,
        "prov:wasDerivedFrom": card.derived_from.iter().map(|named| provenance("prov:Entity", named)).collect::<Vec<_>>(),
        "prov:wasGeneratedBy": generated_by,
        "distribution": distribution,
        "recordSet": tables.iter().map(record_set).collect::<Vec<_>>(),
    });
    // Strings, numbers and lists: JSON has them all.
    Ok(serde_json::to_string_pretty(&metadata).unwrap_or_default() + "\n")
}

fn encoders(about: &About<'_>) -> String {
    let of = about.card.encoder_licences.iter().map(|(name, licence)| format!("{name} ({licence})"));
    of.collect::<Vec<_>>().join(", ")
}

/// A licence as an address where it is an SPDX identifier.
fn licence(licence: &str) -> String {
    if is_identifier(licence) { format!("https://spdx.org/licenses/{licence}.html") } else { licence.to_owned() }
}

fn creator(named: &Named) -> Value {
    let mut person = Map::from_iter([("@type".to_owned(), json!("sc:Person")), ("name".to_owned(), json!(named.name))]);
    person.extend(named.url.as_ref().map(|url| ("url".to_owned(), json!(url))));
    let affiliation = |name| ("affiliation".to_owned(), json!({ "@type": "sc:Organization", "name": name }));
    person.extend(named.more.as_ref().map(affiliation));
    Value::Object(person)
}

fn provenance(kind: &str, named: &Named) -> Value {
    let mut entry = Map::from_iter([("@type".to_owned(), json!(kind)), ("prov:label".to_owned(), json!(named.name))]);
    entry.extend(named.url.as_ref().filter(|url| is_address(url)).map(|url| ("url".to_owned(), json!(url))));
    entry.extend(named.more.as_ref().map(|more| ("license".to_owned(), json!(licence(more)))));
    Value::Object(entry)
}

/// Whether a table may have several files.
fn is_set(table: &PublishedTable) -> bool {
    table.files.first() != Some(&table.pattern)
}

fn set_id(table: &PublishedTable) -> String {
    format!("{}-files", table.name)
}

fn record_set(table: &PublishedTable) -> Value {
    json!({
        "@type": "cr:RecordSet",
        "@id": table.name,
        "name": table.name,
        "description": table.about,
        "field": table.columns.iter().map(|column| field(table, column)).collect::<Vec<_>>(),
    })
}

fn field(table: &PublishedTable, column: &PublishedColumn) -> Value {
    let mut source = match is_set(table) {
        true => json!({ "fileSet": { "@id": set_id(table) }, "extract": { "column": column.name } }),
        false => json!({ "fileObject": { "@id": table.pattern }, "extract": { "column": column.name } }),
    };
    let (kind, shape) = match column.kind {
        ColumnKind::Text => ("sc:Text", None),
        ColumnKind::Texts => ("sc:Text", Some("-1".to_owned())),
        ColumnKind::Int32 | ColumnKind::Int64 => ("sc:Integer", None),
        ColumnKind::Float64 => ("sc:Float", None),
        ColumnKind::Flag => ("sc:Boolean", None),
        ColumnKind::Vector(length) => ("sc:Float", Some(length.to_string())),
        ColumnKind::Image => {
            source["transform"] = json!({ "jsonPath": "bytes" });
            ("sc:ImageObject", None)
        }
    };
    let mut field = json!({
        "@type": "cr:Field",
        "@id": format!("{}/{}", table.name, column.name),
        "name": column.name,
        "dataType": kind,
        "source": source,
    });
    if let Some(shape) = shape {
        field["isArray"] = json!(true);
        field["arrayShape"] = json!(shape);
    }
    field
}

/// Returns the size of a file and its SHA-256, hexadecimal.
fn digest(path: &Path, watch: &mut Watch<'_>) -> Result<(u64, String)> {
    let mut file = File::open(path).map_err(Error::io("read", path))?;
    let (mut hasher, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 20]);
    loop {
        watch.check()?;
        match file.read(&mut buffer).map_err(Error::io("read", path))? {
            0 => break,
            n => {
                hasher.update(&buffer[..n]);
                bytes += n as u64;
            }
        }
    }
    let hex = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((bytes, hex))
}
