//! What the files of real drivers look like, written by hand, and what is made of it.

use super::*;
use crate::reading::gpu::Ecc;

/// A Radeon, an Arc, a connector, a server's graphics chip, and a Radeon that sleeps.
pub(crate) const CARDS: &str = "\
/sys/class/drm/card0/device/vendor:0x1002
/sys/class/drm/card0/device/device:0x744c
/sys/class/drm/card0/device/uevent:DRIVER=amdgpu
/sys/class/drm/card0/device/uevent:PCI_SLOT_NAME=0000:03:00.0
/sys/class/drm/card0/device/power/runtime_status:active
/sys/class/drm/card0/device/unique_id:8b1f3c2d00112233
/sys/class/drm/card0/device/gpu_busy_percent:87
/sys/class/drm/card0/device/mem_busy_percent:31
/sys/class/drm/card0/device/mem_info_vram_total:25753026560
/sys/class/drm/card0/device/mem_info_vram_used:20000000000
/sys/class/drm/card0/device/pp_dpm_sclk:0: 500Mhz
/sys/class/drm/card0/device/pp_dpm_sclk:1: 2482Mhz *
/sys/class/drm/card0/device/pp_dpm_mclk:0: 96Mhz
/sys/class/drm/card0/device/pp_dpm_mclk:1: 1249Mhz *
/sys/class/drm/card0/device/current_link_speed:16.0 GT/s PCIe
/sys/class/drm/card0/device/max_link_speed:16.0 GT/s PCIe
/sys/class/drm/card0/device/current_link_width:8
/sys/class/drm/card0/device/max_link_width:16
/sys/class/drm/card0/device/pcie_replay_count:4
/sys/class/drm/card0/device/ras/umc_err_count:ue: 0
/sys/class/drm/card0/device/ras/umc_err_count:ce: 3
/sys/class/drm/card0/device/hwmon/hwmon5/temp1_input:61000
/sys/class/drm/card0/device/hwmon/hwmon5/temp1_label:edge
/sys/class/drm/card0/device/hwmon/hwmon5/temp1_crit:100000
/sys/class/drm/card0/device/hwmon/hwmon5/temp2_input:84000
/sys/class/drm/card0/device/hwmon/hwmon5/temp2_label:junction
/sys/class/drm/card0/device/hwmon/hwmon5/temp2_crit:110000
/sys/class/drm/card0/device/hwmon/hwmon5/temp3_input:78000
/sys/class/drm/card0/device/hwmon/hwmon5/temp3_label:mem
/sys/class/drm/card0/device/hwmon/hwmon5/power1_average:303000000
/sys/class/drm/card0/device/hwmon/hwmon5/power1_cap:327000000
/sys/class/drm/card0/device/hwmon/hwmon5/pwm1:51
/sys/class/drm/card0/device/hwmon/hwmon5/pwm1_max:255
/sys/class/drm/card0-DP-1/device/vendor:0x1002
/sys/class/drm/card1/device/vendor:0x8086
/sys/class/drm/card1/device/device:0x56a0
/sys/class/drm/card1/device/uevent:PCI_SLOT_NAME=0000:04:00.0
/sys/class/drm/card1/device/hwmon/hwmon6/temp2_input:49000
/sys/class/drm/card1/device/hwmon/hwmon6/temp2_label:pkg
/sys/class/drm/card1/device/hwmon/hwmon6/temp3_input:52000
/sys/class/drm/card1/device/hwmon/hwmon6/temp3_label:vram
/sys/class/drm/card1/device/hwmon/hwmon6/energy1_input:123456789
/sys/class/drm/card1/device/hwmon/hwmon6/power1_max:190000000
/sys/class/drm/card1/device/tile0/gt0/freq0/act_freq:2400
/sys/class/drm/card2/device/vendor:0x1a03
/sys/class/drm/card10/device/vendor:0x1002
/sys/class/drm/card10/device/product_name:Radeon PRO W7900
/sys/class/drm/card10/device/uevent:PCI_SLOT_NAME=0000:0a:00.0
/sys/class/drm/card10/device/power/runtime_status:suspended
/sys/class/drm/card10/device/gpu_busy_percent:99
";

#[test]
fn a_radeon_is_read_in_full() {
    let gpus = parse(CARDS);
    assert_eq!(gpus.len(), 3, "connectors and other makers are no GPUs of ours");
    let gpu = &gpus[0];
    assert_eq!((gpu.vendor, gpu.index, gpu.name.as_str()), (Vendor::Amd, 0, "AMD 0x744c"));
    assert_eq!(gpu.id, "8b1f3c2d00112233");
    assert_eq!(gpu.bus_id.as_deref(), Some("00000000:03:00.0"));
    assert_eq!((gpu.temperature, gpu.memory_temperature), (Some(61.0), Some(78.0)));
    assert_eq!(gpu.margin, Some(26.0), "the hottest sensor decides");
    assert_eq!((gpu.utilization, gpu.memory_utilization), (Some(0.87), Some(0.31)));
    assert_eq!(gpu.memory.map(|m| (m.total, m.used)), Some((25_753_026_560, 20_000_000_000)));
    assert_eq!((gpu.power, gpu.power_limit), (Some(303.0), Some(327.0)));
    assert_eq!((gpu.sm_clock, gpu.memory_clock, gpu.fan), (Some(2482), Some(1249), Some(0.2)));
    let pcie = gpu.pcie.expect("a link");
    assert_eq!((pcie.generation, pcie.generation_max), (Some(4), Some(4)));
    assert_eq!((pcie.width, pcie.width_max, pcie.replays), (Some(8), Some(16), Some(4)));
    let ecc = Ecc { corrected_volatile: Some(3), uncorrected_volatile: Some(0), ..Ecc::default() };
    assert_eq!(gpu.ecc, Some(ecc));
}

#[test]
fn an_arc_tells_little_and_nothing_is_made_up() {
    let gpu = &parse(CARDS)[1];
    assert_eq!((gpu.vendor, gpu.index, gpu.id.as_str()), (Vendor::Intel, 1, "00000000:04:00.0"));
    assert_eq!((gpu.temperature, gpu.memory_temperature), (Some(49.0), Some(52.0)));
    assert_eq!((gpu.utilization, gpu.memory, gpu.power, gpu.fan), (None, None, None, None));
    assert_eq!(
        (gpu.energy, gpu.power_limit, gpu.sm_clock),
        (Some(123_456), Some(190.0), Some(2400))
    );
}

#[test]
fn a_card_that_sleeps_is_only_named() {
    let gpu = &parse(CARDS)[2];
    assert_eq!((gpu.index, gpu.asleep, gpu.name.as_str()), (2, true, "AMD Radeon PRO W7900"));
    assert_eq!(gpu.utilization, None);
}

#[test]
fn a_broken_text_is_no_panic() {
    for end in (0..CARDS.len()).filter(|end| CARDS.is_char_boundary(*end)) {
        let _ = parse(&CARDS[..end]);
    }
    assert_eq!(
        parse("card/x:1\n/card0:\ncard0/device/vendor\n:\ncard99999999999/device/vendor:0x1002"),
        []
    );
}
