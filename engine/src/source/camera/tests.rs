//! The watchdog, the camera thread and their time-outs, tested with failing cameras.

use super::fake::{AfterFrames, FakeDriver, Plugged, SIZE, camera};
use super::*;
use crate::frame::Frame;
use crate::source::SourceStatus;
use crate::source::pixels::PixelFormat;
use crate::test_wait::{WAIT_LIMIT, quickly, timed, until};
use std::time::Instant;

/// No camera is given up for being slow.
const CALM: Timing = Timing {
    open: WAIT_LIMIT,
    frame: WAIT_LIMIT,
    poll: Duration::from_millis(10),
    first_pause: Duration::from_millis(5),
    max_pause: Duration::from_millis(40),
    outage: WAIT_LIMIT,
    release: Duration::from_millis(50),
};

fn open_fake(
    driver: &Arc<FakeDriver>,
    options: &OpenOptions,
    timing: Timing,
) -> Result<CameraSource> {
    let driver = Arc::clone(driver);
    CameraSource::open(driver, Target::parse("Fake"), options, timing)
}

fn opened(stages: Vec<Vec<Plugged>>, timing: Timing) -> (CameraSource, Arc<FakeDriver>) {
    let driver = FakeDriver::new(stages);
    let source = open_fake(&driver, &OpenOptions::default(), timing).unwrap();
    (source, driver)
}

fn frame(source: &mut CameraSource) -> Frame {
    source.next_frame().unwrap().unwrap()
}

/// Fails when a slow consumer gets stale frames, or drops are not counted.
#[test]
fn a_slow_consumer_gets_the_newest_frame_and_the_drops_are_counted() {
    let (mut source, driver) = opened(vec![vec![camera(0, "usb1")]], CALM);
    let monitor = source.monitor();
    let first = frame(&mut source);
    assert_eq!((first.size(), first.time_secs), (SIZE, 0.0));
    until(|| driver.n_read() > first.id + 20);
    let n_read = driver.n_read();
    let late = frame(&mut source);
    // The last frame that was read may still be in flight.
    assert!(late.id + 2 >= n_read, "{} of {n_read} is stale", late.id);
    // Every lower id was delivered or dropped; the count may lag briefly.
    until(|| monitor.n_dropped() + 2 > late.id);
    let n_dropped = monitor.n_dropped();
    let last = frame(&mut source);
    assert!(n_dropped + 2 <= last.id);
    assert!(last.time_secs > late.time_secs && late.time_secs > 0.05);
    assert!(source.info().is_live);
    assert_eq!(source.info().rate, Some(30.0));
}

/// Fails when the format chosen by the user is not used, an unavailable one prevents the camera
/// from opening, or the window does not get the list of formats.
#[test]
fn a_chosen_format_goes_first_and_all_are_told() {
    let format = |rate| CameraFormat {
        size: SIZE,
        rate: Some(rate),
        pixels: PixelFormat::Gray,
    };
    for (wanted, got) in [(None, 30.0), (Some(60.0), 60.0), (Some(7.0), 30.0)] {
        let driver = FakeDriver::new(vec![vec![camera(0, "usb1")]]);
        let options = OpenOptions {
            format: wanted.map(format),
            ..OpenOptions::default()
        };
        let source = open_fake(&driver, &options, CALM).unwrap();
        let formats = source.monitor().formats();
        assert_eq!(formats.current, Some(format(got)), "{wanted:?}");
        assert_eq!(source.info().rate, Some(got));
        let rates: Vec<_> = formats.offered.iter().map(|f| f.rate.unwrap()).collect();
        assert_eq!(rates, [30.0, 60.0, 15.0]);
    }
}

/// Fails when a camera that hangs in a read hangs the program, or is not replaced by its new
/// connection; other threads must be able to see the state.
#[test]
fn a_hang_in_a_read_is_survived_and_visible() {
    let mut hanging = camera(0, "usb1");
    hanging.n_frames = 3;
    let timing = Timing {
        // Half of it is the time for other threads to see the state.
        frame: Duration::from_secs(2),
        ..CALM
    };
    let (mut source, driver) = opened(vec![vec![hanging], vec![camera(0, "usb1")]], timing);
    let monitor = source.monitor();
    let seen = std::thread::spawn(move || {
        until(|| matches!(monitor.status(), SourceStatus::Stalled { .. }));
        until(|| monitor.status() == SourceStatus::Ok);
    });
    let mut last = frame(&mut source);
    while driver.opened.lock().unwrap().len() < 2 {
        let next = frame(&mut source);
        assert!(next.id > last.id && next.time_secs > last.time_secs);
        last = next;
    }
    assert_eq!(source.status(), SourceStatus::Ok);
    seen.join().unwrap();
}

/// Fails when an unplugged camera that returns under another index is not found again, or an
/// identical one is opened in its place.
#[test]
fn an_unplugged_camera_is_found_again_under_another_index() {
    let mut mine = camera(0, "usb1");
    (mine.n_frames, mine.then) = (3, AfterFrames::Fail);
    let twin = camera(1, "usb2");
    let driver_stages = vec![vec![mine, twin.clone()], vec![twin, camera(5, "usb3")]];
    let (mut source, driver) = opened(driver_stages, CALM);
    let first = frame(&mut source).captured;
    while driver.opened.lock().unwrap().len() < 2 {
        frame(&mut source);
    }
    assert_eq!(*driver.opened.lock().unwrap(), [0, 5]);
    let later = frame(&mut source);
    let since_first = later.captured.duration_since(first).as_secs_f64();
    assert_eq!(
        later.time_secs, since_first,
        "one clock for both connections"
    );
}

/// Fails when a panic inside the driver ends more than its thread.
#[test]
fn a_panic_in_the_driver_is_an_outage() {
    let mut crashing = camera(0, "usb1");
    (crashing.n_frames, crashing.then) = (2, AfterFrames::Panic);
    let (mut source, driver) = opened(vec![vec![crashing], vec![camera(0, "usb1")]], CALM);
    while driver.opened.lock().unwrap().len() < 2 {
        frame(&mut source);
    }
}

/// Fails when opening a hanging camera hangs the program.
#[test]
fn a_hang_in_open_is_an_error_in_time() {
    let mut stuck = camera(0, "usb1");
    stuck.hangs_in_open = true;
    let timing = Timing {
        open: Duration::from_millis(200),
        ..CALM
    };
    quickly(Duration::from_secs(1), || {
        let driver = FakeDriver::new(vec![vec![stuck.clone()]]);
        timed(move || {
            let error = open_fake(&driver, &OpenOptions::default(), timing).err();
            let error = error.unwrap().to_string();
            assert!(error.contains("did not open within"), "{error}");
        })
    });
}

/// Fails when the program waits without end for a camera that never returns, or its loss is not
/// reported.
#[test]
fn an_outage_beyond_its_budget_is_an_error_and_then_the_end() {
    let mut leaving = camera(0, "usb1");
    (leaving.n_frames, leaving.then) = (2, AfterFrames::Fail);
    let mut mute = camera(0, "usb1");
    mute.n_frames = 0; // Opens again, but never delivers: not a recovery.
    for afterwards in [vec![], vec![mute]] {
        let timing = Timing {
            open: Duration::from_secs(2),
            outage: Duration::from_secs(3),
            ..CALM
        };
        quickly(Duration::from_secs(6), || {
            let stages = vec![vec![leaving.clone()], afterwards.clone()];
            let (mut source, _) = opened(stages, timing);
            timed(move || {
                let error = loop {
                    match source.next_frame() {
                        Ok(frame) => assert!(frame.is_some()),
                        Err(error) => break error.to_string(),
                    }
                };
                assert!(error.starts_with("Fake: lost"), "{error}");
                assert_eq!(source.status(), SourceStatus::Lost);
                assert!(source.next_frame().unwrap().is_none());
            })
        });
    }
}

/// Fails when the program cannot be closed during an outage or a silent wait, or closing waits for
/// a thread stuck in the driver.
#[test]
fn stopping_ends_waiting_and_reconnecting_at_once() {
    for then in [AfterFrames::Hang, AfterFrames::Fail] {
        quickly(Duration::from_secs(1), || {
            let mut leaving = camera(0, "usb1");
            (leaving.n_frames, leaving.then) = (1, then);
            let driver = FakeDriver::new(vec![vec![leaving], vec![]]);
            let options = OpenOptions::default();
            let mut source = open_fake(&driver, &options, CALM).unwrap();
            frame(&mut source);
            let stop = options.stop.clone();
            let stopper = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(50));
                stop.stop();
                Instant::now()
            });
            assert!(source.next_frame().unwrap().is_none());
            drop(source);
            stopper.join().unwrap().elapsed()
        });
    }
}

/// Fails when a torn frame stops the camera, reaches the network, or is not counted.
#[test]
fn damaged_frames_are_skipped_and_counted() {
    let mut torn = camera(0, "usb1");
    (torn.pixels, torn.torn_every) = (PixelFormat::Mjpeg, 3);
    let (mut source, _) = opened(vec![vec![torn]], CALM);
    for _ in 0..12 {
        let got = frame(&mut source);
        assert_ne!((got.id + 1) % 3, 0, "every third frame is torn");
    }
    let n = source.monitor().n_damaged();
    assert!(n >= 3);
    assert!(
        source
            .warning()
            .unwrap()
            .ends_with("damaged camera frames were skipped")
    );
    assert_eq!(source.status(), SourceStatus::Ok);
}

/// Fails when one refused format (a bus without bandwidth) makes a camera unusable.
#[test]
fn a_refused_format_is_followed_by_the_next_best() {
    let mut narrow = camera(0, "usb1");
    narrow.refused_rates = vec![30.0, 60.0];
    let (source, _) = opened(vec![vec![narrow.clone()]], CALM);
    assert_eq!(source.info().rate, Some(15.0));
    narrow.refused_rates = vec![15.0, 30.0, 60.0];
    let driver = FakeDriver::new(vec![vec![narrow]]);
    let error = open_fake(&driver, &OpenOptions::default(), CALM).err();
    let error = error.unwrap();
    assert_eq!(error.to_string(), "fake: no bandwidth");
}

/// Fails when listing cameras waits without end for a hanging system, or loses its result.
#[test]
fn queries_have_a_time_out() {
    let limit = Duration::from_millis(50);
    let hung: Result<()> = within(limit, || {
        loop {
            std::thread::park();
        }
    });
    assert!(hung.unwrap_err().to_string().contains("did not respond"));
    assert_eq!(within(WAIT_LIMIT, || Ok(7)).unwrap(), 7);
    let refused: Result<()> = within(WAIT_LIMIT, || Err(Error::source("cameras", "refused")));
    assert_eq!(refused.unwrap_err().to_string(), "cameras: refused");
}

/// Fails when pauses between attempts do not grow, or grow without bound.
#[test]
fn pauses_grow_up_to_their_maximum() {
    let pauses: Vec<_> = (0..40).map(|n| Timing::REAL.pause_before(n)).collect();
    assert!(pauses.is_sorted());
    assert_eq!(pauses[0], Duration::ZERO);
    assert_eq!(pauses[1], Timing::REAL.first_pause);
    assert_eq!(pauses[39], Timing::REAL.max_pause);
}

/// Fails when a camera that stops delivering is restarted later than 3 s after its last frame, or a
/// slow one counts as stalled. Half a second of it is for the driver to close and open.
#[test]
fn a_stall_is_over_within_three_seconds() {
    let timing = Timing::REAL;
    for rate in [None, Some(5.0), Some(7.5), Some(30.0), Some(120.0)] {
        // Noticed at the next poll; then the thread is released, and the first attempt follows at
        // once.
        let noticed = timing.silence(rate) + timing.poll;
        let tried = noticed + timing.poll + timing.pause_before(0);
        assert!(tried <= Duration::from_millis(2500), "{rate:?}: {tried:?}");
    }
    assert!(timing.silence(Some(1.0)) >= Duration::from_secs(3));
}

/// Fails when querying the real system's cameras panics or hangs, whatever is plugged in. Not on
/// macOS, which would ask the user for access first.
#[cfg(not(target_os = "macos"))]
#[test]
fn the_real_system_answers() {
    let cameras = list_cameras().unwrap();
    let absent = (0..1000)
        .find(|i| cameras.iter().all(|c| c.index != *i))
        .unwrap();
    let error = open(&absent.to_string(), &OpenOptions::default())
        .err()
        .unwrap();
    assert!(
        error.to_string().starts_with(&format!("camera {absent}: ")),
        "{error}"
    );
}
