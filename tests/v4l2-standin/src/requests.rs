//! The Video4Linux requests.

use std::ffi::{c_int, c_ulong, c_void};
use std::time::Instant;

use libc::{EAGAIN, EBUSY, EINVAL, ENOTTY};
use v4l::v4l_sys::{
    v4l2_buffer, v4l2_capability, v4l2_fmtdesc, v4l2_format, v4l2_frmivalenum, v4l2_frmsizeenum,
    v4l2_plane, v4l2_requestbuffers, v4l2_streamparm,
};
use v4l::v4l2::vidioc;

use crate::driver::State;
use crate::open::{Open, Set, planes};
use crate::scenario::{Camera, Format, Rates, Sizes};

/// Returns the name of a request without `VIDIOC_`.
pub(crate) fn name(request: c_ulong) -> &'static str {
    match request {
        vidioc::VIDIOC_QUERYCAP => "QUERYCAP",
        vidioc::VIDIOC_ENUM_FMT => "ENUM_FMT",
        vidioc::VIDIOC_ENUM_FRAMESIZES => "ENUM_FRAMESIZES",
        vidioc::VIDIOC_ENUM_FRAMEINTERVALS => "ENUM_FRAMEINTERVALS",
        vidioc::VIDIOC_G_FMT => "G_FMT",
        vidioc::VIDIOC_S_FMT => "S_FMT",
        vidioc::VIDIOC_TRY_FMT => "TRY_FMT",
        vidioc::VIDIOC_G_PARM => "G_PARM",
        vidioc::VIDIOC_S_PARM => "S_PARM",
        vidioc::VIDIOC_REQBUFS => "REQBUFS",
        vidioc::VIDIOC_QUERYBUF => "QUERYBUF",
        vidioc::VIDIOC_QBUF => "QBUF",
        vidioc::VIDIOC_DQBUF => "DQBUF",
        vidioc::VIDIOC_STREAMON => "STREAMON",
        vidioc::VIDIOC_STREAMOFF => "STREAMOFF",
        _ => "OTHER",
    }
}

fn code(text: &str) -> u32 {
    let mut bytes = [b' '; 4];
    for (byte, text) in bytes.iter_mut().zip(text.bytes()) {
        *byte = text;
    }
    u32::from_le_bytes(bytes)
}

fn write_text(field: &mut [u8], text: &str) {
    for (byte, text) in field.iter_mut().zip(text.bytes()) {
        *byte = text;
    }
}

/// # Safety
/// `argument` must point to the structure of the request of this name.
pub(crate) unsafe fn answer(
    state: &mut State,
    place: usize,
    name: &str,
    argument: *mut c_void,
) -> Result<(), c_int> {
    // SAFETY: guaranteed by the caller for every type below; unions contain only integers, except
    // for the planes of a buffer, an array whose length the program states.
    unsafe {
        match name {
            "QUERYCAP" => {
                query_capabilities(state, place, &mut *argument.cast());
                Ok(())
            }
            "ENUM_FMT" => list_format(state, place, &mut *argument.cast()),
            "ENUM_FRAMESIZES" => list_size(state, place, &mut *argument.cast()),
            "ENUM_FRAMEINTERVALS" => list_interval(state, place, &mut *argument.cast()),
            "S_FMT" | "TRY_FMT" => set_format(state, place, &mut *argument.cast(), name == "S_FMT"),
            "S_PARM" | "G_PARM" => {
                set_rate(state, place, &mut *argument.cast());
                Ok(())
            }
            "REQBUFS" => request_buffers(state, place, &mut *argument.cast()),
            "QUERYBUF" | "QBUF" | "DQBUF" => {
                handle_buffer(state, place, name, &mut *argument.cast())
            }
            "STREAMON" => start(state, place),
            "STREAMOFF" => {
                let open = &mut state.open[place];
                let plugged = &mut state.cameras[open.camera];
                let stalls = plugged.camera.stalls_after;
                plugged.has_stalled |= stalls.is_some_and(|n| plugged.n_ever >= n);
                open.stop();
                Ok(())
            }
            _ => Err(ENOTTY),
        }
    }
}

fn query_capabilities(state: &State, place: usize, to: &mut v4l2_capability) {
    let camera = &state.cameras[state.open[place].camera].camera;
    write_text(&mut to.driver, "standin");
    write_text(&mut to.card, &camera.card);
    write_text(&mut to.bus_info, &camera.bus);
    to.device_caps = camera.caps | 0x0400_0000;
    to.capabilities = to.device_caps | 0x8000_0001;
}

fn list_format(state: &State, place: usize, to: &mut v4l2_fmtdesc) -> Result<(), c_int> {
    let camera = &state.cameras[state.open[place].camera].camera;
    let format = camera.formats.get(to.index as usize).ok_or(EINVAL)?;
    to.pixelformat = code(&format.code);
    Ok(())
}

fn list_size(state: &State, place: usize, to: &mut v4l2_frmsizeenum) -> Result<(), c_int> {
    let camera = &state.cameras[state.open[place].camera].camera;
    let format = camera
        .formats
        .iter()
        .find(|f| code(&f.code) == to.pixel_format);
    match &format.ok_or(EINVAL)?.sizes {
        Sizes::Unlisted => return Err(ENOTTY),
        Sizes::Listed(sizes) => {
            let (width, height) = *sizes.get(to.index as usize).ok_or(EINVAL)?;
            to.type_ = 1;
            to.__bindgen_anon_1.discrete.width = width;
            to.__bindgen_anon_1.discrete.height = height;
        }
        Sizes::Stepwise(width, height) if to.index == 0 => {
            to.type_ = 3;
            let range = v4l::v4l_sys::v4l2_frmsize_stepwise {
                min_width: width[0],
                max_width: width[1],
                step_width: width[2],
                min_height: height[0],
                max_height: height[1],
                step_height: height[2],
            };
            to.__bindgen_anon_1.stepwise = range;
        }
        Sizes::Stepwise(..) => return Err(EINVAL),
    }
    Ok(())
}

fn list_interval(state: &State, place: usize, to: &mut v4l2_frmivalenum) -> Result<(), c_int> {
    let camera = &state.cameras[state.open[place].camera].camera;
    let format = camera
        .formats
        .iter()
        .find(|f| code(&f.code) == to.pixel_format);
    match &format.ok_or(EINVAL)?.rates {
        Rates::Unlisted => return Err(ENOTTY),
        Rates::Listed(intervals) => {
            let (secs, frames) = *intervals.get(to.index as usize).ok_or(EINVAL)?;
            to.type_ = 1;
            to.__bindgen_anon_1.discrete.numerator = secs;
            to.__bindgen_anon_1.discrete.denominator = frames;
        }
        Rates::Continuous(min, max) if to.index == 0 => {
            to.type_ = 2;
            let fraction = |(numerator, denominator): (u32, u32)| v4l::v4l_sys::v4l2_fract {
                numerator,
                denominator,
            };
            to.__bindgen_anon_1.stepwise = v4l::v4l_sys::v4l2_frmival_stepwise {
                min: fraction(*min),
                max: fraction(*max),
                step: fraction((1, 1)),
            };
        }
        Rates::Continuous(..) => return Err(EINVAL),
    }
    Ok(())
}

/// Returns the supported size closest to the requested one.
fn nearest(format: &Format, width: u32, height: u32) -> (u32, u32) {
    let snapped = |[min, max, step]: [u32; 3], n: u32| {
        let n = n.clamp(min, max);
        n - (n - min) % step.max(1)
    };
    match &format.sizes {
        Sizes::Unlisted => (width.clamp(16, 4096), height.clamp(16, 4096)),
        Sizes::Listed(sizes) => {
            let distance = |(w, h): &(u32, u32)| w.abs_diff(width) + h.abs_diff(height);
            sizes
                .iter()
                .copied()
                .min_by_key(distance)
                .unwrap_or((width, height))
        }
        Sizes::Stepwise(w, h) => (snapped(*w, width), snapped(*h, height)),
    }
}

/// Returns whether another descriptor of the camera is streaming or has buffers.
fn is_taken(state: &State, place: usize) -> bool {
    let me = &state.open[place];
    let others = state
        .open
        .iter()
        .filter(|o| o.camera == me.camera && o.fd != me.fd);
    others.into_iter().any(|o| o.n_buffers > 0)
}

/// # Safety
/// `to` must be the structure passed by the program for this request.
unsafe fn set_format(
    state: &mut State,
    place: usize,
    to: &mut v4l2_format,
    is_set: bool,
) -> Result<(), c_int> {
    if is_set && (is_taken(state, place) || state.open[place].n_buffers > 0) {
        return Err(EBUSY);
    }
    let camera = state.cameras[state.open[place].camera].camera.clone();
    // SAFETY: both variants start with the same three integers.
    let wish = unsafe { to.fmt.pix };
    let asked = camera
        .formats
        .iter()
        .position(|f| code(&f.code) == wish.pixelformat);
    let number = camera.fixed.or(asked).unwrap_or(0);
    let format = camera.formats.get(number).ok_or(EINVAL)?;
    let (width, height) = nearest(format, wish.width, wish.height);
    fill_format(&camera, format, (width, height), to);
    if is_set {
        state.open[place].set = Some(Set {
            format: number,
            width,
            height,
        });
        state.log(&format!("set {} {width}x{height}", format.code));
    }
    Ok(())
}

fn fill_format(
    camera: &Camera,
    format: &Format,
    (width, height): (u32, u32),
    to: &mut v4l2_format,
) {
    let planes = planes(format, width, height);
    if camera.is_multi_planar {
        // SAFETY: the union contains only integers.
        let pix = unsafe { &mut to.fmt.pix_mp };
        (pix.width, pix.height, pix.pixelformat) = (width, height, code(&format.code));
        (pix.field, pix.colorspace, pix.num_planes) = (1, format.colorspace, planes.len() as u8);
        let mut filled = pix.plane_fmt;
        for (plane, (row, bytes)) in filled.iter_mut().zip(&planes) {
            (plane.bytesperline, plane.sizeimage) = (*row, *bytes);
        }
        pix.plane_fmt = filled;
    } else {
        // SAFETY: the union contains only integers.
        let pix = unsafe { &mut to.fmt.pix };
        (pix.width, pix.height, pix.pixelformat) = (width, height, code(&format.code));
        (pix.field, pix.colorspace) = (1, format.colorspace);
        (pix.bytesperline, pix.sizeimage) = planes[0];
    }
}

fn set_rate(state: &mut State, place: usize, to: &mut v4l2_streamparm) {
    let camera = &state.cameras[state.open[place].camera].camera;
    // SAFETY: the union contains only integers.
    let interval = unsafe { &mut to.parm.capture.timeperframe };
    let wished = (interval.numerator, interval.denominator);
    if wished == (0, 0) || camera.fixed.is_some() {
        (interval.numerator, interval.denominator) = (camera.millis as u32, 1000);
    }
    let set = format!("rate {}/{}", interval.numerator, interval.denominator);
    state.log(&set);
}

fn request_buffers(
    state: &mut State,
    place: usize,
    to: &mut v4l2_requestbuffers,
) -> Result<(), c_int> {
    if is_taken(state, place) {
        return Err(EBUSY);
    }
    let open = &mut state.open[place];
    if to.memory != 1 || open.set.is_none() {
        return Err(EINVAL);
    }
    if open.since.is_some() {
        return Err(EBUSY);
    }
    to.count = to.count.min(state.cameras[open.camera].camera.n_buffers);
    open.allot(to.count)
}

/// # Safety
/// The planes of `to` must be an array of the stated length.
unsafe fn handle_buffer(
    state: &mut State,
    place: usize,
    name: &str,
    to: &mut v4l2_buffer,
) -> Result<(), c_int> {
    let open = &mut state.open[place];
    let camera = &state.cameras[open.camera].camera;
    let set = open.set.ok_or(EINVAL)?;
    let format = &camera.formats[set.format];
    let planes = planes(format, set.width, set.height);
    let array: &mut [v4l2_plane] = if camera.is_multi_planar {
        // SAFETY: guaranteed by the caller.
        unsafe { std::slice::from_raw_parts_mut(to.m.planes, to.length as usize) }
    } else {
        &mut []
    };
    if camera.is_multi_planar && array.len() < planes.len() {
        return Err(EINVAL);
    }
    match name {
        "QUERYBUF" | "QBUF" if to.index >= open.n_buffers => Err(EINVAL),
        "QUERYBUF" => {
            for (i, (plane, (_, bytes))) in array.iter_mut().zip(&planes).enumerate() {
                plane.length = *bytes;
                plane.m.mem_offset = Open::offset(to.index, i);
            }
            if !camera.is_multi_planar {
                to.length = planes[0].1;
                to.m.offset = Open::offset(to.index, 0);
            }
            Ok(())
        }
        "QBUF" if open.queued.contains(&to.index) => Err(EINVAL),
        "QBUF" => {
            open.queued.push_back(to.index);
            Ok(())
        }
        _ if open.since.is_none() => Err(EINVAL),
        _ => {
            let done = open.done.pop_front().ok_or(EAGAIN)?;
            (to.index, to.sequence) = (done.index, done.sequence as u32);
            for (plane, used) in array.iter_mut().zip(&done.used) {
                plane.bytesused = *used;
            }
            if !camera.is_multi_planar {
                to.bytesused = done.used[0];
            }
            let clock = if camera.clock == "none" { 0 } else { 0x2000 };
            to.flags = clock | if done.is_marked { 0x40 } else { 0 };
            to.timestamp.tv_sec = done.stamp.as_secs() as _;
            to.timestamp.tv_usec = done.stamp.subsec_micros().into();
            Ok(())
        }
    }
}

fn start(state: &mut State, place: usize) -> Result<(), c_int> {
    if is_taken(state, place) {
        return Err(EBUSY);
    }
    let open = &mut state.open[place];
    if open.n_buffers == 0 {
        return Err(EINVAL);
    }
    (open.since, open.n_frames) = (Some(Instant::now()), 0);
    let plugged = &mut state.cameras[open.camera];
    // A camera that stopped delivering resumes after a restart.
    let stalls = plugged.camera.stalls_after;
    plugged.has_stalled |= stalls.is_some_and(|n| plugged.n_ever >= n);
    Ok(())
}
