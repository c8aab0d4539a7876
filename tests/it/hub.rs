//! `encoders pull` against a server that answers as the hub's documentation says.

use crate::support::server::{Reply, Request, Server};
use msdata::encoder::home::{EncoderOrigin, Home};
use msdata::encoder::hub::{LOCK_FILE, Patience, pull};
use msdata::encoder::registry::{Family, HubExport, HubFile, NamedEncoder, find};
use msdata::error::HubFault;
use msdata::{Error, Watch};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// `sha256sum` of what `model()` gives.
const MODEL_SHA256: &str = "dfc23fa55a13f425cab9239ada27c59c6d8ffa1be528b1726b139124dde43027";
const MODEL: HubFile = HubFile { path: "onnx/model.onnx", name: "model.onnx", sha256: None };
const PINNED: HubFile = HubFile { sha256: Some(MODEL_SHA256), ..MODEL };
const TOKENIZER: HubFile = HubFile { path: "tokenizer.json", name: "tokenizer.json", sha256: None };

/// A megabyte that does not repeat.
fn model() -> Vec<u8> {
    (0..250_000_u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

fn encoder(revision: &'static str, files: &'static [HubFile]) -> NamedEncoder {
    let export = Some(HubExport { repository: "owner/net", revision, files });
    NamedEncoder { name: "net", family: Family::Dino, checkpoint: "owner/original", export, dimension: 8 }
}

/// A data directory of its own, and the hub at `endpoint`.
struct Place {
    dir: tempfile::TempDir,
    home: Home,
    silence: Duration,
}

impl Place {
    fn new(endpoint: &str) -> Place {
        let dir = tempfile::tempdir().unwrap();
        let hub_cache = Some(dir.path().join("cache"));
        let home = Home {
            data: dir.path().join("data"),
            hub_cache,
            endpoint: endpoint.into(),
            token: None,
            offline: false,
            runtime_library: None,
        };
        Place { dir, home, silence: Duration::from_secs(10) }
    }

    fn pull(&self, encoder: &NamedEncoder) -> Result<PathBuf, Error> {
        self.pull_until(encoder, &AtomicBool::new(false), &mut |_, _| {})
    }

    fn pull_until(
        &self,
        encoder: &NamedEncoder,
        stop: &AtomicBool,
        seen: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<PathBuf, Error> {
        let patience = Patience { attempts: 4, first_pause: Duration::from_millis(2), silence: self.silence };
        let mut watch = Watch::silent().on_progress(|p| seen(p.done, p.total)).until(stop);
        pull(encoder, &self.home, patience, &mut watch)
    }

    fn fault(&self, encoder: &NamedEncoder) -> HubFault {
        match self.pull(encoder) {
            Err(Error::Hub { fault, .. }) => {
                assert!(!self.home.pulled("net").join(LOCK_FILE).exists(), "a failed pull is no encoder");
                fault
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The hub's answer for a large file: where it lies, and what it is.
fn linked(to: &str, sha256: &str, size: usize) -> Reply {
    Reply::new(302, "")
        .header("Location", to)
        .header("X-Repo-Commit", COMMIT)
        .header("X-Linked-Etag", &format!("\"{sha256}\""))
        .header("X-Linked-Size", &size.to_string())
}

/// A hub that sends its large files from another server, as the real one does.
fn hub_and_store(store: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> (Server, Server) {
    let store = Server::start(store);
    let address = format!("{}/blob?signature=x", store.url);
    let hub = Server::start(move |request| match request.path.as_str() {
        path if path.starts_with("/owner/net/resolve/") && path.ends_with("onnx/model.onnx") => {
            linked(&address, MODEL_SHA256, model().len())
        }
        path if path.ends_with("/tokenizer.json") => {
            Reply::new(200, r#"{"model": 1}"#).header("X-Repo-Commit", COMMIT).header("ETag", "\"d00d\"")
        }
        _ => Reply::new(404, "Entry not found"),
    });
    (hub, store)
}

#[test]
fn an_encoder_is_pulled_whole_and_held_to_its_digests() {
    let (hub, store) = hub_and_store(|request| Reply::ranged(request, &model()));
    let mut place = Place::new(&hub.url);
    place.home.token = Some("secret".into());
    let net = encoder("main", &[MODEL, TOKENIZER]);
    let mut last = (0, None);
    let dir = place.pull_until(&net, &AtomicBool::new(false), &mut |done, total| last = (done, total)).unwrap();

    assert_eq!(dir, place.home.pulled("net"));
    assert_eq!(fs::read(dir.join("model.onnx")).unwrap(), model());
    assert_eq!(fs::read_to_string(dir.join("tokenizer.json")).unwrap(), r#"{"model": 1}"#);
    assert_eq!(last, (12, Some(12)), "progress ends at the size of the last file");
    let config = fs::read_to_string(dir.join("preprocessor_config.json")).unwrap();
    assert!(config.contains("\"shortest_edge\": 256"), "{config}");
    let settings = fs::read_to_string(dir.join("msdata.toml")).unwrap();
    assert!(settings.ends_with("name = \"net\"\ncrop_offset = \"half_even\"\n"), "{settings}");
    let lock = fs::read_to_string(dir.join(LOCK_FILE)).unwrap();
    assert!(lock.contains(MODEL_SHA256) && lock.contains(COMMIT), "{lock}");
    let installed = place.home.list().unwrap();
    assert_eq!((installed.len(), installed[0].name.as_str(), installed[0].origin), (1, "net", EncoderOrigin::Pulled));

    let asked = hub.requests();
    assert_eq!(asked[0].path, "/owner/net/resolve/main/onnx/model.onnx");
    assert!(asked[1..].iter().all(|r| r.path.contains(COMMIT)), "after the first answer, the commit: {asked:?}");
    assert!(asked.iter().all(|r| r.header("authorization") == Some("Bearer secret")));
    assert!(store.requests().iter().all(|r| r.header("authorization").is_none()), "another host never sees the token");

    place.pull(&net).unwrap();
    assert_eq!((hub.requests().len(), store.requests().len()), (asked.len(), 1), "what is whole is not asked for again");
    fs::write(dir.join("tokenizer.json"), "{}").unwrap();
    place.pull(&net).unwrap();
    assert_eq!(fs::read_to_string(dir.join("tokenizer.json")).unwrap(), r#"{"model": 1}"#, "and what is not is mended");
}

#[test]
fn a_cut_connection_is_taken_up_where_it_ended() {
    let calls = AtomicUsize::new(0);
    let (hub, store) = hub_and_store(move |request| {
        let reply = Reply::ranged(request, &model());
        if calls.fetch_add(1, SeqCst) < 2 { reply.cut(300_000) } else { reply }
    });
    let place = Place::new(&hub.url);
    let dir = place.pull(&encoder("main", &[MODEL])).unwrap();
    assert_eq!(fs::read(dir.join("model.onnx")).unwrap(), model());
    let ranges: Vec<_> = store.requests().iter().map(|r| r.header("range").map(str::to_owned)).collect();
    assert_eq!(ranges, [None, Some("bytes=300000-".into()), Some("bytes=600000-".into())]);
    assert!(!dir.join("model.onnx.part").exists());
}

#[test]
fn a_silent_connection_is_given_up_and_taken_up_again() {
    let calls = AtomicUsize::new(0);
    let (hub, store) = hub_and_store(move |request| {
        let reply = Reply::ranged(request, &model());
        if calls.fetch_add(1, SeqCst) == 0 { reply.cut(500_000).hold(Duration::from_secs(20)) } else { reply }
    });
    let mut place = Place::new(&hub.url);
    place.silence = Duration::from_millis(300);
    let dir = place.pull(&encoder("main", &[MODEL])).unwrap();
    assert_eq!(fs::read(dir.join("model.onnx")).unwrap(), model());
    assert_eq!(store.requests()[1].header("range"), Some("bytes=500000-"));
}

#[test]
fn an_interrupted_pull_goes_on_in_the_next_run() {
    let (hub, store) = hub_and_store(|request| Reply::ranged(request, &model()));
    let place = Place::new(&hub.url);
    let (net, stop) = (encoder("main", &[PINNED]), AtomicBool::new(false));
    let broken = place.pull_until(&net, &stop, &mut |done, _| stop.store(done > 0, SeqCst));
    assert!(matches!(broken, Err(Error::Interrupted)), "{broken:?}");
    let part = fs::metadata(place.home.pulled("net").join("model.onnx.part")).unwrap().len();
    assert!(0 < part && part < 1_000_000 && place.home.list().unwrap().is_empty());
    let dir = place.pull(&net).unwrap();
    assert_eq!(store.requests()[1].header("range"), Some(format!("bytes={part}-").as_str()));
    assert_eq!(fs::read(dir.join("model.onnx")).unwrap(), model());
}

#[test]
fn a_server_that_ignores_ranges_and_a_stale_part_start_anew() {
    let (hub, _store) = hub_and_store(|_| Reply::new(200, model()));
    let place = Place::new(&hub.url);
    let dir = place.home.pulled("net");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("model.onnx.part"), b"of another day").unwrap();
    place.pull(&encoder("main", &[MODEL])).unwrap();
    assert_eq!(fs::read(dir.join("model.onnx")).unwrap(), model());

    let (hub, store) = hub_and_store(|request| Reply::ranged(request, &model()));
    let place = Place::new(&hub.url);
    let dir = place.home.pulled("net");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("model.onnx.part"), b"of another day").unwrap();
    place.pull(&encoder("main", &[MODEL])).unwrap();
    assert_eq!(fs::read(dir.join("model.onnx")).unwrap(), model());
    assert_eq!(store.requests().len(), 2, "resumed, found wrong, once more from the start");
}

#[test]
fn wrong_bytes_are_never_installed() {
    let (hub, store) = hub_and_store(|_| Reply::new(200, vec![7; 1_000_000]));
    let place = Place::new(&hub.url);
    let fault = place.fault(&encoder("main", &[MODEL]));
    assert!(matches!(&fault, HubFault::OtherBytes { expected, .. } if expected == MODEL_SHA256), "{fault:?}");
    assert_eq!(store.requests().len(), 1, "trying again would not help");
    assert!(!place.home.pulled("net").join("model.onnx").exists());

    let other: &[HubFile] = &[HubFile { sha256: Some("00"), ..MODEL }];
    let fault = place.fault(&encoder(COMMIT, other));
    assert!(matches!(fault, HubFault::OtherFile { .. }), "a pin goes before what the hub declares: {fault:?}");
    assert_eq!(store.requests().len(), 1, "and nothing is downloaded to find out");
}

#[test]
fn sizes_that_lie() {
    let (hub, store) = hub_and_store(|_| Reply::new(200, vec![7; 1_000_001]));
    let fault = Place::new(&hub.url).fault(&encoder("main", &[MODEL]));
    assert!(matches!(fault, HubFault::TooLong { expected: 1_000_000 }), "{fault:?}");
    assert_eq!(store.requests().len(), 1);

    let (hub, store) = hub_and_store(|_| Reply::new(200, model()[..999].to_vec()));
    let fault = Place::new(&hub.url).fault(&encoder("main", &[MODEL]));
    assert!(matches!(fault, HubFault::Short { expected: 1_000_000, found: 999 }), "{fault:?}");
    assert_eq!(store.requests().len(), 4, "as often as patience lasts");

    let (hub, _store) = hub_and_store(|_| Reply::new(200, model()).length(2_000_000));
    Place::new(&hub.url).pull(&encoder("main", &[MODEL])).unwrap(); // size and digest are what the hub declared

    let hub = Server::start(|_| Reply::new(200, "{}").length(1000));
    let fault = Place::new(&hub.url).fault(&encoder("main", &[TOKENIZER]));
    assert!(matches!(fault, HubFault::Broken(_)), "{fault:?}");
}

#[test]
fn refusals_say_what_to_do() {
    let net = encoder("main", &[TOKENIZER]);
    let answer = |reply: fn() -> Reply| Server::start(move |_| reply());

    let hub = answer(|| Reply::new(404, "Entry not found"));
    assert!(matches!(Place::new(&hub.url).fault(&net), HubFault::NotFound));

    let hub = answer(|| Reply::new(403, "gated"));
    let mut place = Place::new(&hub.url);
    let fault = place.fault(&net);
    assert!(matches!(fault, HubFault::Refused { status: 403, token: false }));
    assert!(fault.hint().unwrap().contains("HF_TOKEN"));
    place.home.token = Some("old".into());
    assert!(place.fault(&net).hint().unwrap().contains("no longer valid"));
    assert_eq!(hub.requests().len(), 2, "a refusal is not tried again");

    let hub = answer(|| Reply::new(200, "<!doctype html><p>Log in").header("Content-Type", "text/html; charset=utf-8"));
    assert!(matches!(Place::new(&hub.url).fault(&net), HubFault::WebPage));
    let hub = answer(|| Reply::new(200, "\n <html>without a type"));
    assert!(matches!(Place::new(&hub.url).fault(&net), HubFault::WebPage));

    let hub = answer(|| Reply::new(307, "").header("Location", "/again"));
    assert!(matches!(Place::new(&hub.url).fault(&net), HubFault::Redirects));
    let hub = answer(|| Reply::new(302, "").header("Location", "file:///etc/passwd"));
    assert!(matches!(Place::new(&hub.url).fault(&net), HubFault::BadRedirect(_)));

    let hub = answer(|| Reply::new(503, "busy"));
    assert!(matches!(Place::new(&hub.url).fault(&net), HubFault::Status(503)));
    assert_eq!(hub.requests().len(), 4);
    let fault = Place::new("http://127.0.0.1:9").fault(&net);
    assert!(matches!(fault, HubFault::Broken(_)), "{fault:?}");
}

#[test]
fn a_passing_failure_passes_and_a_moved_repository_is_followed() {
    let calls = AtomicUsize::new(0);
    let hub = Server::start(move |request| match (calls.fetch_add(1, SeqCst), request.path.as_str()) {
        (0, _) => Reply::new(503, "busy"),
        (_, path) if path.starts_with("/owner/net/") => Reply::new(307, "").header("Location", "/new/net/tokenizer.json"),
        _ => Reply::new(200, "{}").header("X-Repo-Commit", COMMIT),
    });
    let place = Place::new(&hub.url);
    let dir = place.pull(&encoder("main", &[TOKENIZER])).unwrap();
    assert_eq!(fs::read_to_string(dir.join("tokenizer.json")).unwrap(), "{}");
    assert!(fs::read_to_string(dir.join(LOCK_FILE)).unwrap().contains(COMMIT));
}

#[test]
fn offline_only_the_cache_is_asked() {
    let mut place = Place::new("http://127.0.0.1:9");
    place.home.offline = true;
    let net = encoder("main", &[MODEL, TOKENIZER]);
    let fault = place.fault(&net);
    assert!(matches!(fault, HubFault::Offline));
    assert!(fault.hint().unwrap().contains("HF_HUB_OFFLINE"));

    let repository = place.dir.path().join("cache/models--owner--net");
    let snapshot = repository.join("snapshots").join(COMMIT);
    fs::create_dir_all(snapshot.join("onnx")).unwrap();
    fs::create_dir_all(repository.join("refs")).unwrap();
    fs::write(repository.join("refs/main"), COMMIT).unwrap();
    fs::write(snapshot.join("onnx/model.onnx"), model()).unwrap();
    fs::write(snapshot.join("tokenizer.json"), "{}").unwrap();
    let dir = place.pull(&net).unwrap();
    assert_eq!(fs::read(dir.join("model.onnx")).unwrap(), model());
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 6, "model, tokenizer, config, settings, lock file, .pulling");
}

#[test]
fn the_cache_saves_a_download_only_if_the_digest_agrees() {
    let (hub, store) = hub_and_store(|request| Reply::ranged(request, &model()));
    let place = Place::new(&hub.url);
    let blobs = place.dir.path().join("cache/models--owner--net/blobs");
    fs::create_dir_all(&blobs).unwrap();
    fs::write(blobs.join(MODEL_SHA256), "cut short").unwrap();
    let net = encoder("main", &[MODEL]);
    let dir = place.pull(&net).unwrap();
    assert_eq!(store.requests().len(), 1);

    fs::write(blobs.join(MODEL_SHA256), model()).unwrap();
    fs::remove_dir_all(&dir).unwrap();
    place.pull(&net).unwrap();
    assert_eq!(store.requests().len(), 1, "taken from the cache");
    assert_eq!(fs::read(dir.join("model.onnx")).unwrap(), model());
}

#[test]
fn encoders_without_an_export_or_of_ones_own_are_not_pulled() {
    let place = Place::new("http://127.0.0.1:9");
    let error = place.pull(find("dinov2-giant").unwrap()).unwrap_err();
    assert!(error.to_string().contains("no ONNX export"), "{error}");
    assert!(error.hint().unwrap().contains("export_encoder.py facebook/dinov2-giant"));

    let own = place.dir.path().join("own");
    fs::create_dir(&own).unwrap();
    place.home.add(&"net".parse().unwrap(), &own).unwrap();
    let error = place.pull(&encoder("main", &[MODEL])).unwrap_err();
    assert!(error.to_string().contains("directory of your own"), "{error}");
}

#[test]
fn a_new_pin_replaces_the_old_encoder_whole_or_not_at_all() {
    let (hub, _store) = hub_and_store(|request| Reply::ranged(request, &model()));
    let mut place = Place::new(&hub.url);
    place.pull(&encoder("main", &[MODEL])).unwrap();
    let newer = encoder(COMMIT, &[PINNED, HubFile { path: "gone.json", ..TOKENIZER }]);
    assert!(matches!(place.fault(&newer), HubFault::NotFound));
    assert!(place.home.list().unwrap().is_empty());
    place.home.offline = true;
    place.pull(&encoder(COMMIT, &[PINNED])).unwrap(); // the file that is right needs no network
    assert_eq!(place.home.list().unwrap().len(), 1);
}

#[test]
fn two_pulls_do_not_meet() {
    let place = Place::new("http://127.0.0.1:9");
    let dir = place.home.pulled("net");
    fs::create_dir_all(&dir).unwrap();
    let other = fs::File::create(dir.join(".pulling")).unwrap();
    other.lock().unwrap();
    let error = place.pull(&encoder("main", &[MODEL])).unwrap_err();
    assert!(error.to_string().contains("another msdata"), "{error}");
}
