//! Checkpoint folders after saving, kills, write errors and damage.

use super::super::recipe::recipe;
use super::*;
use crate::model::model;
use candle_core::DType;

fn state() -> (State, Card) {
    let by = |name: &str, value: f64| {
        let tensor = Tensor::full(value as f32, (2, 3), &Device::Cpu).unwrap();
        ByName::from([(name.to_owned(), tensor)])
    };
    let card = model("sfm").unwrap().card_for(None).unwrap();
    let mut progress = Progress::new(recipe("sfm", "fine-tune").unwrap(), card);
    progress.running.loss = 1.0 / 3.0;
    progress.running.gates.insert("x51".to_owned(), 0.1 + 0.2);
    progress.running.broken.insert("0/7".to_owned());
    progress.labels = vec!["0a1b".to_owned()];
    progress.best = Some(Best {
        epoch: 1,
        score: 0.5,
    });
    progress.history.push(EpochRecord {
        hits: Vec::new(),
        epoch: 1,
        step: 7,
        lr: 1e-3,
        loss: Some(0.1),
        pck: Some(0.5),
        oks_ap: None,
        pck_parts: BTreeMap::from([("round 1".to_owned(), 0.25)]),
        secs: 1.5,
        images_per_sec: 3.0,
        broken: 2,
        gates: BTreeMap::from([("x12".to_owned(), 0.25)]),
    });
    let state = State {
        progress,
        weights: by("a.weight", 1.0),
        average: by("a.weight", 2.0),
        memory: by("mean.a.weight", 3.0),
    };
    let mut card = model("sfm").unwrap().card().unwrap();
    // As after training: the digest of the bundled weights does not apply.
    card.sha256 = None;
    (state, card)
}

fn value(t: &Tensor) -> f32 {
    t.to_dtype(DType::F32)
        .unwrap()
        .max_all()
        .unwrap()
        .to_scalar()
        .unwrap()
}

/// Fails when a saved run is not restored bit-exactly, the averaged weights are not the deployed
/// ones, or the card and the log cannot be read.
#[test]
fn a_state_comes_back_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let folder = Folder::create(&folder.path().join("new")).unwrap();
    let message = Folder::open(folder.path()).unwrap_err().to_string();
    assert!(message.contains("no training"), "{message}");
    let (state, card) = state();
    folder.save(&state, &card).unwrap();
    let back = folder.load().unwrap();
    assert_eq!(back.progress, state.progress);
    assert_eq!(value(&back.weights["a.weight"]), 1.0);
    assert_eq!(value(&back.memory["mean.a.weight"]), 3.0);
    for name in [LAST, BEST] {
        let path = folder.path().join(name);
        let weights = safetensors::load(&path, &Device::Cpu).unwrap();
        assert_eq!(value(&weights["a.weight"]), 2.0);
        let beside = |name: &str| Card::beside(&path, model(name).unwrap());
        assert_eq!(beside("sfm").unwrap().unwrap(), card);
        assert!(beside("tp-r-a3").is_err());
    }
    let log = std::fs::read_to_string(folder.path().join(LOG)).unwrap();
    let wanted = "epoch,step,lr,loss,pck,oks_ap,secs,images_per_sec,broken,\
                  pck_of_round 1,mean_abs_m_x12\n1,7,0.001,0.1,0.5,,1.500,3.000,2,0.25,0.25\n";
    assert_eq!(log, wanted);
    let text = std::fs::read_to_string(folder.path().join(CONFIG)).unwrap();
    let read: TrainConfig = toml::from_str(&text).unwrap();
    assert_eq!(read, state.progress.config);
}

/// Fails when a truncated or invalid state is resumed, or the message does not name it.
#[test]
fn damaged_states_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = Folder::create(folder.path()).unwrap();
    let (state, card) = state();
    folder.save(&state, &card).unwrap();
    let path = folder.path().join(STATE);
    let bytes = std::fs::read(&path).unwrap();
    for len in (0..bytes.len()).step_by(97) {
        std::fs::write(&path, &bytes[..len]).unwrap();
        let message = folder.load().unwrap_err().to_string();
        assert!(message.contains(STATE), "{message}");
    }
    std::fs::copy(folder.path().join(LAST), &path).unwrap();
    let message = folder.load().unwrap_err().to_string();
    assert!(message.contains("not the state"), "{message}");
}

/// Checks that a folder left by a kill is usable: files are complete, and no weights lack their
/// card. Returns the values of the best and of the last weights.
fn sound(folder: &Folder, card: &Card) -> [Option<f32>; 2] {
    [BEST, LAST].map(|name| {
        let path = folder.path().join(name);
        if !path.exists() {
            return None;
        }
        let beside = Card::beside(&path, model("sfm").unwrap()).unwrap();
        assert_eq!(beside.as_ref(), Some(card), "{name} without its card");
        let weights = safetensors::load(&path, &Device::Cpu).unwrap();
        Some(value(&weights["a.weight"]))
    })
}

/// Fails when a kill or a write error between any two writes of the first or a later save leaves
/// weights without their card or a partial file, or a run that cannot be resumed to the same files
/// as without the interruption.
#[test]
fn a_save_may_be_cut_off_anywhere() {
    for (is_later, name) in [false, true]
        .into_iter()
        .flat_map(|later| FILES.map(|name| (later, name)))
    {
        let desk = tempfile::tempdir().unwrap();
        let folder = Folder::create(desk.path()).unwrap();
        let (mut state, card) = state();
        state.progress.running = Running::default();
        if is_later {
            folder.save(&state, &card).unwrap();
            let newer = Tensor::full(5f32, (2, 3), &Device::Cpu).unwrap();
            state.average.insert("a.weight".to_owned(), newer);
            let mut record = state.progress.history[0].clone();
            record.epoch = 2;
            state.progress.history.push(record);
            state.progress.best.as_mut().unwrap().epoch = 2;
        }
        // Blocks the write like a full disk; only the files before it are written.
        let block = folder.path().join(format!("{name}.poselens.part"));
        std::fs::create_dir(&block).unwrap();
        let message = folder.save(&state, &card).unwrap_err().to_string();
        assert!(
            message.contains("cannot write") && message.contains(name),
            "{message}"
        );
        let (old, new) = (
            is_later.then_some(2.0),
            Some(if is_later { 5.0 } else { 2.0 }),
        );
        for found in sound(&folder, &card) {
            assert!(found == old || found == new, "{name}: {found:?}");
        }
        let half = std::fs::read_dir(folder.path()).unwrap();
        let half = half.filter(|e| e.as_ref().unwrap().path().extension() == Some("part".as_ref()));
        assert_eq!(half.count(), 1, "{name}: only what stands in the way");

        std::fs::remove_dir(&block).unwrap();
        // A partial file, as left by a kill.
        std::fs::write(&block, b"half").unwrap();
        let is_begun = folder.path().join(STATE).exists();
        if !is_begun {
            assert_eq!(sound(&folder, &card), [None, None]);
            drop(folder);
            // It can begin again where it could not begin.
            drop(Folder::create(desk.path()).unwrap());
            continue;
        }
        drop(folder);
        let folder = Folder::open(desk.path()).unwrap();
        assert!(!block.exists());
        let back = folder.load().unwrap();
        folder.derive(&back, &card).unwrap();
        assert!(FILES.iter().all(|f| folder.path().join(f).exists()));
        let deployed = Some(value(&back.deployed()["a.weight"]));
        assert!(deployed == old || deployed == new);
        assert_eq!(sound(&folder, &card), [deployed; 2], "{name}");
    }
}

/// Fails when two runs write to one folder at once, or a new run would overwrite weights, whether
/// they belong to a run or not.
#[test]
fn a_folder_belongs_to_one_training() {
    let desk = tempfile::tempdir().unwrap();
    let path = desk.path().join("out");
    let refused = |result: Result<Folder>, reason: &str| {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(reason), "{message}");
    };
    let folder = Folder::create(&path).unwrap();
    refused(Folder::create(&path), "running");
    let (state, card) = state();
    folder.save(&state, &card).unwrap();
    refused(Folder::open(&path), "running");
    drop(folder);
    refused(Folder::create(&path), "resume it");
    drop(Folder::open(&path).unwrap());
    std::fs::remove_file(path.join(STATE)).unwrap();
    let weights = std::fs::read(path.join(BEST)).unwrap();
    refused(Folder::create(&path), "already holds");
    assert_eq!(std::fs::read(path.join(BEST)).unwrap(), weights);
}

/// Fails when weights of an epoch that was not the best, or of steps after it, are saved as the
/// best.
#[test]
fn only_the_best_weights_are_the_best() {
    let (mut state, _) = state();
    assert!(state.is_best());
    state.progress.running.steps = 1;
    assert!(!state.is_best());
    state.progress.running.steps = 0;
    state.progress.best.as_mut().unwrap().epoch = 0;
    assert!(!state.is_best());
    state.progress.best = None;
    assert!(!state.is_best());
}

/// Fails when a state from before label digests and broken images were recorded cannot be resumed.
#[test]
fn older_states_are_read() {
    let (state, _) = state();
    let text = toml::to_string(&state.progress).unwrap();
    let is_new = |line: &&str| {
        let key = line.split(" =").next().unwrap_or_default();
        ["labels", "broken"].contains(&key) || *line == "lr = 0.0"
    };
    let older: Vec<&str> = text.lines().filter(|line| !is_new(line)).collect();
    assert_eq!(older.len(), text.lines().count() - 4, "{text}");
    let read: Progress = toml::from_str(&older.join("\n")).unwrap();
    assert_eq!(read.history[0].broken, 0);
    assert!(read.labels.is_empty() && read.running.broken.is_empty());
    assert_eq!(read.step, state.progress.step);
}

/// Fails when the state of a newer version is reported as damaged, or is overwritten.
#[test]
fn the_state_of_a_newer_version_is_named_and_kept() {
    let desk = tempfile::tempdir().unwrap();
    let folder = Folder::create(&desk.path().join("out")).unwrap();
    let path = folder.path().join(STATE);
    let progress = b"version = 2\nposition = \"of another form\"\n".to_vec();
    let n = progress.len();
    let progress = Tensor::from_vec(progress, n, &Device::Cpu).unwrap();
    let all = HashMap::from([(PROGRESS.to_owned(), progress)]);
    write_tensors(&path, &all).unwrap();
    let before = std::fs::read(&path).unwrap();
    let message = folder.load().unwrap_err().to_string();
    assert!(message.contains("version 2, not 1"), "{message}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}
