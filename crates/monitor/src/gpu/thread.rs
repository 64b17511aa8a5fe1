//! The thread that asks the drivers, which block and may hang for ever.
//!
//! **Invariant:** at most one question is under way. While it is, a new one is refused at once, and
//! nothing but that thread waits for the driver.

use std::io;
use std::time::Duration;

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::memory::Memory;
use super::nvml::{self, Watch};
use super::places::GpuPlaces;
use super::sysfs::{self, NvidiaDevice};
use super::{add_asleep, add_cards, diagnosis, drm, processes};
use crate::reading::gpu::{Gpu, GpusReading};
use crate::source::SourceError;

/// What the thread found.
#[derive(Debug)]
pub(super) struct Answer {
    /// Everything, but for what `nvidia-smi` has to tell.
    pub(super) reading: GpusReading,
    /// The addresses of NVIDIA's GPUs that `nvidia-smi` is to be asked for since the library cannot
    /// be loaded; an empty list is all of them, and `None` is nothing to ask.
    pub(super) smi: Option<Vec<String>>,
}

/// Asks the thread.
#[derive(Debug)]
pub(super) struct Asker {
    places: GpuPlaces,
    questions: Option<mpsc::Sender<Question>>,
    pending: Option<(Instant, oneshot::Receiver<Answer>)>,
}

type Question = oneshot::Sender<Answer>;

impl Asker {
    /// Starts nothing yet.
    pub(super) fn new(places: GpuPlaces) -> Self {
        Self { places, questions: None, pending: None }
    }

    /// Asks and waits. May be dropped at any time: the answer is then thrown away when it comes.
    ///
    /// # Errors
    /// [`SourceError::TimedOut`] while the last question hangs and after [`ANSWER_DEADLINE`];
    /// [`SourceError::Failed`] when the thread cannot be started or has died.
    pub(super) async fn ask(&mut self) -> Result<Answer, SourceError> {
        if let Some((since, pending)) = &mut self.pending
            && let Err(oneshot::error::TryRecvError::Empty) = pending.try_recv()
        {
            return Err(SourceError::TimedOut(since.elapsed()));
        }
        let (question, pending) = oneshot::channel();
        self.thread()?.try_send(question).map_err(|_| died())?;
        let (_, pending) = self.pending.insert((Instant::now(), pending));
        let answer = tokio::time::timeout(ANSWER_DEADLINE, pending).await;
        let answer = answer.map_err(|_| SourceError::TimedOut(ANSWER_DEADLINE))?;
        self.pending = None;
        answer.map_err(|_| died())
    }

    /// The thread's questions; starts it when it does not run.
    fn thread(&mut self) -> Result<&mpsc::Sender<Question>, SourceError> {
        let running = self.questions.take().filter(|questions| !questions.is_closed());
        let questions = match running {
            Some(questions) => questions,
            None => start(self.places.clone()).map_err(|error| {
                SourceError::Failed(format!("the thread that asks GPUs cannot start: {error}"))
            })?,
        };
        Ok(self.questions.insert(questions))
    }
}

fn died() -> SourceError {
    SourceError::Failed("the thread that asks GPUs ended; it is started again next time".to_owned())
}

fn start(places: GpuPlaces) -> io::Result<mpsc::Sender<Question>> {
    let (questions, received) = mpsc::channel(QUESTIONS_MAX);
    let thread = std::thread::Builder::new().name(THREAD_NAME.to_owned());
    thread.spawn(move || run(&places, received))?;
    Ok(questions)
}

/// Answers until nobody can ask any more.
fn run(places: &GpuPlaces, mut questions: mpsc::Receiver<Question>) {
    let mut memory = Memory::default();
    while let Some(question) = questions.blocking_recv() {
        let devices = sysfs::nvidia_devices(&places.sysfs, &places.procfs);
        if !devices.is_empty() && devices.iter().all(|device| device.asleep) {
            answer(places, question, GpusReading::default(), &devices, &mut memory, None);
            continue;
        }
        match nvml::open(&places.library) {
            Ok(nvml) => {
                let unanswered = serve(places, &nvml, question, &mut questions, &mut memory);
                drop(nvml);
                if let Some((question, asked)) = unanswered {
                    answer(places, question, asked, &devices, &mut memory, None);
                }
            }
            Err(error) => without(places, question, &devices, &mut memory, &error),
        }
    }
}

/// Answers with the library open, for as long as it is sound and no GPU could sleep if it were not.
/// Returns the last question with its answer where the library is to be closed before it is given.
fn serve(
    places: &GpuPlaces,
    nvml: &Nvml,
    first: Question,
    questions: &mut mpsc::Receiver<Question>,
    memory: &mut Memory,
) -> Option<(Question, GpusReading)> {
    let mut watch = Watch::new(nvml);
    let mut question = first;
    loop {
        let devices = sysfs::nvidia_devices(&places.sysfs, &places.procfs);
        let may_sleep = devices.iter().any(|device| device.may_sleep);
        let watch = (!may_sleep).then_some(&mut watch);
        let asked = nvml::read(nvml, &devices, watch, memory);
        if may_sleep || !asked.is_sound {
            return Some((question, asked.reading));
        }
        answer(places, question, asked.reading, &devices, memory, None);
        question = questions.blocking_recv()?;
    }
}

/// Answers without the library: with a diagnosis, or a request for `nvidia-smi`.
fn without(
    places: &GpuPlaces,
    question: Question,
    devices: &[NvidiaDevice],
    memory: &mut Memory,
    error: &NvmlError,
) {
    let cannot_load = matches!(
        error,
        NvmlError::LibloadingError(_)
            | NvmlError::LibraryNotFound
            | NvmlError::FailedToLoadSymbol(_)
    );
    if cannot_load {
        // A name for each, so that none is woken; without a list of devices, all.
        let awake = devices.iter().filter(|device| !device.asleep);
        let awake = awake.map(|device| device.address.clone()).collect();
        return answer(places, question, GpusReading::default(), devices, memory, Some(awake));
    }
    let mut reading = GpusReading::default();
    // A library without a driver and without a device is a machine without a GPU.
    let is_fault = !devices.is_empty() || !matches!(error, NvmlError::DriverNotLoaded);
    reading.problems.extend(diagnosis::of_nvml(error).filter(|_| is_fault));
    answer(places, question, reading, devices, memory, None);
}

/// Adds what needs no library, and answers.
fn answer(
    places: &GpuPlaces,
    question: Question,
    reading: GpusReading,
    devices: &[NvidiaDevice],
    memory: &mut Memory,
    smi: Option<Vec<String>>,
) {
    let mut reading = reading;
    let asleep = (0..).zip(devices).filter(|(_, device)| device.asleep);
    add_asleep(&mut reading, asleep.map(|(index, device)| named(index, device, memory)));
    let mut cards = drm::parse(&sysfs::cards(&places.sysfs));
    memory.meter.fill(&mut cards, Instant::now());
    processes::add_clients(&mut cards, &places.procfs);
    add_cards(&mut reading, cards);
    processes::describe(&mut reading, &places.procfs);
    // The asker may have given up; then nobody wants it.
    drop(question.send(Answer { reading, smi }));
}

/// A device that sleeps, by what the driver says without asking it, or said when it was awake.
fn named(index: u32, device: &NvidiaDevice, memory: &Memory) -> Gpu {
    let known = memory.gpu(&device.address).cloned();
    let gpu = known.unwrap_or_else(|| Gpu { index, ..Gpu::of_bus(&device.address) });
    let name = device.name.clone().unwrap_or(gpu.name);
    Gpu { id: device.uuid.clone().unwrap_or(gpu.id), name, ..gpu }
}

/// How long a question may take before the source says that it hangs.
pub(super) const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// Questions that wait: the one that is asked.
const QUESTIONS_MAX: usize = 1;
/// What the thread is called; the kernel keeps 15 characters.
const THREAD_NAME: &str = "conduit-gpu";
