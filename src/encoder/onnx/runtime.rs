//! ONNX Runtime, loaded when it is first needed: the build needs nothing of it.
//!
//! The library is looked for in this order, and the first place that has one decides; a library there
//! that cannot be used is an error, not a reason to look on:
//!
//! 1. the path given (a file, or a directory that holds it);
//! 2. `ORT_DYLIB_PATH`, the same;
//! 3. the Python environment that the program was installed into: the package `onnxruntime` or `onnxruntime-gpu` in
//!    `lib/python3.*/site-packages` (`dist-packages`) of the directory above the program's own;
//! 4. the data directory ([`Home::data`]);
//! 5. beside the executable;
//! 6. the system's loader (`LD_LIBRARY_PATH`, `ldconfig`).
//!
//! Versions from 1.24 on are accepted. CUDA needs the GPU build of the library (wheel
//! `onnxruntime-gpu`, with its `libonnxruntime_providers_*.so` beside it) and CUDA and cuDNN where the
//! system's loader finds them. What is tried of CUDA: the GPU build loads, and without a GPU `cuda` is
//! refused and `auto` takes the CPU. Running on a GPU is untried.

use super::device::{Device, DeviceChoice};
use super::library::{
    FoundLibrary, LibraryPlaces, is_of_python, library_at, mapped, mend, refuse_cut_short, system_names, version_of,
};
use crate::encoder::home::Home;
use crate::error::{Error, Result};
use crate::input::guarded;
use ort::environment::{Environment, EnvironmentBuilder};
use ort::ep::{self, ExecutionProvider};
use ort::session::Session;
use ort::session::builder::SessionBuilder;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

/// ONNX Runtime with its one environment. There is at most one in a process, and it stays.
pub struct Runtime {
    environment: Environment,
    library: PathBuf,
    version: Option<String>,
    /// The last error that ONNX Runtime logged: why a CUDA library cannot be loaded is said there only.
    logged: Arc<Mutex<Option<String>>>,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("library", &self.library).field("version", &self.version).finish_non_exhaustive()
    }
}

static LOADED: OnceLock<Runtime> = OnceLock::new();
/// Held while loading, so that two threads do not both make the environment.
static LOADING: Mutex<()> = Mutex::new(());

/// What a failed session says, for people.
pub(super) type Failure = String;

impl Runtime {
    /// Loads ONNX Runtime: from `explicit` if given, else from where this module's head says. Once one
    /// is loaded, later calls get the same.
    ///
    /// # Errors
    /// [`Error::Runtime`]: no library, too old, broken; or `explicit` is another than the one loaded.
    pub fn load(home: &Home, explicit: Option<&Path>) -> Result<&'static Runtime> {
        let _guard = LOADING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(runtime) = LOADED.get() {
            return runtime.unless_other(explicit);
        }
        let places = LibraryPlaces {
            explicit,
            environment: home.runtime_library.as_deref(),
            data: &home.data,
            executable: std::env::current_exe().ok(),
        };
        let (builder, library) = match places.search()? {
            FoundLibrary::File(path) => (open(&path)?, path),
            FoundLibrary::Nowhere(looked) => open_by_name(&looked)?,
        };
        let runtime = Runtime::start(builder, mapped().unwrap_or(library))?;
        Ok(LOADED.get_or_init(|| runtime))
    }

    fn unless_other(&'static self, explicit: Option<&Path>) -> Result<&'static Runtime> {
        let Some(path) = explicit else { return Ok(self) };
        let wanted = library_at(path, "")?;
        if matches!((wanted.canonicalize(), self.library.canonicalize()), (Ok(a), Ok(b)) if a == b) {
            return Ok(self);
        }
        Err(Error::Runtime {
            message: format!("{} cannot be loaded: this process already uses {}", wanted.display(), self.library.display()),
            hint: "a process has one ONNX Runtime: name the library before its first use".into(),
            source: None,
        })
    }

    fn start(builder: EnvironmentBuilder, library: PathBuf) -> Result<Runtime> {
        let logged = Arc::new(Mutex::new(None));
        let log = Arc::clone(&logged);
        // What fails comes back as an error too; a second telling on standard error would only confuse.
        let remember = move |level, _: &str, _: &str, _: &str, message: &str| {
            if level >= ort::logging::LogLevel::Error
                && let Ok(mut last) = log.lock()
            {
                *last = Some(message.to_owned());
            }
        };
        let builder = builder.with_name("msdata").with_telemetry(false).with_logger(Arc::new(remember));
        // ort panics on a library that tells a good version and then has no interface of that version.
        let environment = guarded(|| builder.build().map_err(|e| refused(&library, e)))
            .unwrap_or_else(|| Err(refused(&library, std::io::Error::other("it does not offer the interface of its version"))))?;
        environment.set_log_level(ort::logging::LogLevel::Error);
        let version = version_of(&library);
        Ok(Runtime { environment, library, version, logged })
    }

    /// The library that was loaded.
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// Its version, if the file's name has it (as the official builds' has); 1.24 at least.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Whether the library was built with CUDA; says nothing of a GPU.
    pub fn offers_cuda(&self) -> bool {
        ep::CUDA::is_available().unwrap_or(false)
    }

    /// Makes a wish a device that works here. Whether a GPU answers is found out by opening a network
    /// of one node on it.
    ///
    /// # Errors
    /// [`Error::Runtime`]: CUDA was asked for by name and is not there.
    pub fn choose(&self, wanted: Device) -> Result<DeviceChoice> {
        let name = format!("ONNX Runtime {}", self.version().unwrap_or("of unknown version"));
        let cpu = |why: &str| DeviceChoice { device: Device::Cpu, said: format!("{name} on the CPU{why}") };
        let cuda = |device: Device| self.try_cuda(device).map(|()| DeviceChoice { device, said: format!("{name} on {device}") });
        match wanted {
            Device::Cpu => Ok(cpu("")),
            Device::Cuda(_) => cuda(wanted),
            Device::Auto if !self.offers_cuda() => Ok(cpu(" (it was built without CUDA)")),
            Device::Auto => Ok(cuda(Device::Cuda(0)).unwrap_or_else(|e| cpu(&format!(" ({e})")))),
        }
    }

    fn try_cuda(&self, device: Device) -> Result<()> {
        let missing = |message, source: Option<Failure>| Error::Runtime {
            message,
            hint: "CUDA needs the library of the wheel `onnxruntime-gpu` with its libonnxruntime_providers_*.so beside it, \
                   an NVIDIA driver, and CUDA and cuDNN on LD_LIBRARY_PATH; `--device cpu` does without"
                .into(),
            source: source.map(Into::into),
        };
        if !self.offers_cuda() {
            return Err(missing(format!("no {device}: {} was built without CUDA", self.library.display()), None));
        }
        self.configured(device, 1)
            .and_then(|mut builder| builder.commit_from_memory(ONE_NODE).map_err(|e| self.explained(&e)))
            .map(drop)
            .map_err(|why| missing(format!("{device} cannot be used"), Some(why)))
    }

    /// A session of a model file on a chosen device (`Auto` counts as the CPU), with so many threads.
    pub(super) fn session(&self, model: &Path, device: Device, threads: usize) -> std::result::Result<Session, Failure> {
        self.configured(device, threads)?.commit_from_file(model).map_err(|e| self.explained(&e))
    }

    fn configured(&self, device: Device, threads: usize) -> std::result::Result<SessionBuilder, Failure> {
        if let Ok(mut last) = self.logged.lock() {
            *last = None;
        }
        let providers = match device {
            Device::Auto | Device::Cpu => vec![],
            // TF32 would cost three decimal digits; an exhaustive search may choose another algorithm each run.
            Device::Cuda(index) => vec![
                ep::CUDA::default()
                    .with_device_id(i32::try_from(index).unwrap_or(i32::MAX))
                    .with_tf32(false)
                    .with_conv_algorithm_search(ep::cuda::ConvAlgorithmSearch::Heuristic)
                    .build()
                    .error_on_failure(),
            ],
        };
        let said = |e: ort::Error<SessionBuilder>| self.explained(&e);
        Session::builder(&self.environment)
            .map_err(|e| self.explained(&e))?
            .with_intra_threads(threads)
            .map_err(said)?
            .with_inter_threads(1)
            .map_err(said)?
            // The pool's threads would spin between calls, on the cores that decode the next images.
            .with_intra_op_spinning(false)
            .map_err(said)?
            .with_deterministic_compute(true)
            .map_err(said)?
            .with_execution_providers(providers)
            .map_err(said)
    }

    /// What ONNX Runtime said, and what it only logged.
    pub(super) fn explained<R>(&self, error: &ort::Error<R>) -> Failure {
        let said = plainly(error.message());
        match self.logged.lock().ok().and_then(|mut last| last.take()).as_deref().map(plainly) {
            Some(logged) if !logged.contains(said) => format!("{said} ({logged})"),
            _ => said.to_owned(),
        }
    }
}

/// A message of ONNX Runtime without the place in its source that comes first.
fn plainly(message: &str) -> &str {
    let message = message.trim();
    message.split_once("[ONNXRuntimeError] : ").map_or(message, |(_, rest)| rest.splitn(3, " : ").last().unwrap_or(rest))
}

fn open(library: &Path) -> Result<EnvironmentBuilder> {
    refuse_cut_short(library)?;
    ort::init_from(library).map_err(|e| refused(library, e))
}

/// Asks the system's loader; the name that it took.
fn open_by_name(looked: &[String]) -> Result<(EnvironmentBuilder, PathBuf)> {
    for name in system_names().into_iter().map(PathBuf::from) {
        match ort::init_from(&name) {
            Ok(builder) => return Ok((builder, name)),
            Err(ort::LoadDynamicError::Dlopen { .. }) => {}
            Err(e) => return Err(refused(&name, e)),
        }
    }
    Err(Error::Runtime {
        message: format!(
            "ONNX Runtime is not installed: there is no {} in {} or where the system's loader looks",
            system_names().last().map_or("library", String::as_str),
            looked.join(", ")
        ),
        hint: mend(),
        source: None,
    })
}

fn refused(library: &Path, why: impl std::error::Error + Send + Sync + 'static) -> Error {
    const PIP: &str = "`pip install --upgrade 'onnxruntime>=1.24'` (or `onnxruntime-gpu`) in that Python environment";
    Error::Runtime {
        message: format!("{} cannot be used as ONNX Runtime (1.24 or later is needed)", library.display()),
        hint: if is_of_python(library) { PIP.to_owned() } else { mend() },
        source: Some(why.into()),
    }
}

/// A network of one node, y = −x, in ONNX opset 13: what a device is tried with.
const ONE_NODE: &[u8] = b"\x08\x08\x42\x02\x10\x0d\x3a\x29\
    \x0a\x0b\x0a\x01x\x12\x01y\x22\x03Neg\
    \x12\x00\
    \x5a\x0b\x0a\x01x\x12\x06\x0a\x04\x08\x01\x12\x00\
    \x62\x0b\x0a\x01y\x12\x06\x0a\x04\x08\x01\x12\x00";

#[cfg(test)]
mod tests {
    use super::*;

    /// The one of `make setup`, or of `ORT_DYLIB_PATH`.
    fn runtime() -> &'static Runtime {
        let home = Home::from_env().unwrap();
        Runtime::load(&home, None).unwrap_or_else(|e| panic!("{e}; {}", e.hint().unwrap_or_default()))
    }

    #[test]
    fn the_library_is_loaded_once_and_named() {
        let (runtime, home) = (runtime(), Home::from_env().unwrap());
        assert!(runtime.library().is_file(), "{:?}", runtime.library());
        assert!(std::ptr::eq(runtime, Runtime::load(&home, Some(runtime.library())).unwrap()));
        let dir = tempfile::tempdir().unwrap();
        let other = dir.path().join("libonnxruntime.so");
        std::fs::write(&other, "no library").unwrap();
        let error = Runtime::load(&home, Some(&other)).unwrap_err().to_string();
        assert!(error.contains("already uses"), "{error}");
    }

    #[test]
    fn what_is_no_library_is_refused_with_the_mending_command() {
        runtime(); // ort makes its error values with the library
        let dir = tempfile::tempdir().unwrap();
        let text = dir.path().join("libonnxruntime.so");
        std::fs::write(&text, "words ".repeat(100)).unwrap();
        let error = refused(&text, std::io::Error::other("invalid ELF header"));
        assert!(error.to_string().ends_with("invalid ELF header"), "{error}");
        assert!(error.hint().unwrap().contains("pip download"));
        // That of a Python package is pip's to exchange.
        let package = dir.path().join("onnxruntime/capi/libonnxruntime.so.1.20.1");
        let error = refused(&package, std::io::Error::other("1.20"));
        assert!(error.hint().unwrap().starts_with("`pip install --upgrade 'onnxruntime>=1.24'`"));
    }

    #[test]
    fn messages_lose_their_place_in_the_source() {
        let message = "/src/bridge.cc:2043 Get() [ONNXRuntimeError] : 1 : FAIL : Failed to load: libcublasLt.so.13 : not there ";
        assert_eq!(plainly(message), "Failed to load: libcublasLt.so.13 : not there");
        assert_eq!(plainly("Invalid rank"), "Invalid rank");
    }

    #[test]
    fn the_network_that_devices_are_tried_with_opens() {
        let runtime = runtime();
        runtime.configured(Device::Cpu, 1).unwrap().commit_from_memory(ONE_NODE).unwrap();
    }

    #[test]
    fn cuda_by_name_is_an_error_where_there_is_none() {
        let runtime = runtime();
        assert_eq!(runtime.choose(Device::Cpu).unwrap().device, Device::Cpu);
        let auto = runtime.choose(Device::Auto).unwrap();
        assert_ne!(auto.device, Device::Auto);
        if !runtime.offers_cuda() {
            assert!(auto.said.ends_with("on the CPU (it was built without CUDA)"), "{}", auto.said);
            let error = runtime.choose(Device::Cuda(0)).unwrap_err();
            assert!(error.to_string().starts_with("no cuda: "), "{error}");
            assert!(error.hint().unwrap().contains("onnxruntime-gpu"));
        }
    }
}
