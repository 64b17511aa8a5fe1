//! The page, line by line.

use std::time::Duration;

use super::*;
use crate::reading::gpu::{Ecc, GpuMemory, Pcie, RemappedRows, Throttle, Xid};

/// An H200 that tells everything.
fn whole() -> Gpu {
    Gpu {
        id: "GPU-a".to_owned(),
        name: "NVIDIA \"H200\"\\".to_owned(),
        bus_id: Some("00000000:1B:00.0".to_owned()),
        temperature: Some(61.0),
        memory_temperature: Some(58.0),
        memory: Some(GpuMemory {
            total: 143_771 << 20,
            used: (131_072 << 20) + 5,
            reserved: Some(583 << 20),
        }),
        utilization: Some(0.29),
        memory_utilization: Some(0.41),
        encoder: Some(0.0),
        decoder: Some(1.0),
        power: Some(654.21),
        energy: Some(123_456_789_012),
        sm_clock: Some(1830),
        memory_clock: Some(3201),
        throttle: Some(Throttle {
            reasons: Vec::new(),
            power: Some(Duration::from_secs(2)),
            thermal: Some(Duration::from_micros(3)),
        }),
        ecc: Some(Ecc {
            corrected_volatile: Some(3),
            uncorrected_volatile: Some(0),
            corrected_aggregate: Some(12),
            uncorrected_aggregate: Some(1),
        }),
        remapped: Some(RemappedRows { corrected: 2, uncorrected: 1, pending: true, failed: true }),
        pcie: Some(Pcie { replays: Some(7), ..Pcie::default() }),
        xid: Some(Xid { code: 79, count: 2 }),
        xid_is_watched: true,
        ..Gpu::default()
    }
}

fn reading(gpus: Vec<Gpu>) -> GpusReading {
    GpusReading { gpus, driver: Some("580.95.05".to_owned()), ..GpusReading::default() }
}

/// The values of the page by name, of the GPU with a number.
fn values(page: &str, gpu: u32) -> Vec<(&str, &str)> {
    let label = format!("gpu=\"{gpu}\"");
    let lines = page.lines().filter(|line| !line.starts_with('#') && line.contains(&label));
    lines
        .map(|line| {
            let (name, rest) = line.split_once('{').expect("labels");
            (name.trim_start_matches("DCGM_FI_DEV_"), rest.rsplit_once(' ').expect("a value").1)
        })
        .collect()
}

#[test]
fn everything_that_is_known_is_on_the_page() {
    let page = page("gpu-1", &reading(vec![whole()]));
    let labels = "gpu=\"0\",UUID=\"GPU-a\",pci_bus_id=\"00000000:1B:00.0\",device=\"nvidia0\",\
                  modelName=\"NVIDIA \\\"H200\\\"\\\\\",Hostname=\"gpu-1\",DCGM_FI_DRIVER_VERSION=\"580.95.05\"";
    assert!(page.contains(&format!("\nDCGM_FI_DEV_GPU_TEMP{{{labels}}} 61\n")), "{page}");
    assert!(page.contains("# TYPE DCGM_FI_DEV_GPU_TEMP gauge\n"));
    assert!(page.contains("# TYPE DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION counter\n"));
    let xid = format!("{labels},err_code=\"79\",err_msg=\"GPU has fallen off the bus\"}} 79\n");
    assert!(page.contains(&xid), "{page}");
    let expected = [
        ("SM_CLOCK", "1830"),
        ("MEM_CLOCK", "3201"),
        ("MEMORY_TEMP", "58"),
        ("GPU_TEMP", "61"),
        ("POWER_USAGE", "654.21"),
        ("TOTAL_ENERGY_CONSUMPTION", "123456789012"),
        ("PCIE_REPLAY_COUNTER", "7"),
        ("GPU_UTIL", "29"),
        ("MEM_COPY_UTIL", "41"),
        ("ENC_UTIL", "0"),
        ("DEC_UTIL", "100"),
        ("POWER_VIOLATION", "2000000000"),
        ("THERMAL_VIOLATION", "3000"),
        ("FB_FREE", "12115"),
        ("FB_USED", "131072"),
        ("FB_RESERVED", "583"),
        ("ECC_SBE_VOL_TOTAL", "3"),
        ("ECC_DBE_VOL_TOTAL", "0"),
        ("ECC_SBE_AGG_TOTAL", "12"),
        ("ECC_DBE_AGG_TOTAL", "1"),
        ("UNCORRECTABLE_REMAPPED_ROWS", "1"),
        ("CORRECTABLE_REMAPPED_ROWS", "2"),
        ("ROW_REMAP_FAILURE", "1"),
        ("XID_ERRORS", "79"),
    ];
    assert_eq!(values(&page, 0), expected);
}

#[test]
fn what_is_not_known_has_no_line_and_no_zero() {
    let bare = |index| Gpu { index, id: format!("GPU-{index}"), ..Gpu::default() };
    assert_eq!(page("h", &reading(vec![bare(0)])), "");
    let watched = Gpu { xid_is_watched: true, ..bare(1) };
    let warm = Gpu { temperature: Some(50.0), ..bare(2) };
    let page = page("h", &reading(vec![bare(0), watched, warm]));
    assert_eq!(values(&page, 0), []);
    assert_eq!(values(&page, 1), [("XID_ERRORS", "0")]);
    assert_eq!(values(&page, 2), [("GPU_TEMP", "50")]);
}

#[test]
fn others_gpus_and_those_that_sleep_are_not_on_it() {
    let gpus =
        vec![Gpu { vendor: Vendor::Amd, ..whole() }, Gpu { index: 1, asleep: true, ..whole() }];
    assert_eq!(page("h", &reading(gpus)), "");
}

#[test]
fn of_one_that_is_lost_there_is_its_error_only() {
    let lost = |index, xid| Gpu { index, lost: true, xid, xid_is_watched: true, ..whole() };
    let xid = whole().xid.map(|xid| Xid { code: 79, ..xid });
    assert!(xid.is_some());
    let page = page("h", &reading(vec![lost(0, xid), lost(1, None)]));
    assert_eq!(values(&page, 0), [("XID_ERRORS", "79")]);
    assert_eq!(values(&page, 1), [], "that none was seen is not known to be good");
    assert!(page.contains("err_msg=\"GPU has fallen off the bus\""), "{page}");
}

#[test]
fn each_name_is_there_once_with_all_gpus_below() {
    let page = page("h", &reading(vec![whole(), Gpu { index: 1, ..whole() }]));
    let heads: Vec<_> = page.lines().filter(|line| line.starts_with("# TYPE")).collect();
    let mut once = heads.clone();
    once.dedup();
    assert_eq!((heads.len(), once.len()), (24, 24));
    assert_eq!(page.lines().filter(|line| !line.starts_with('#')).count(), 48);
}
