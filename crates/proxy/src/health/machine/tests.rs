//! Sequences of outcomes and what follows from each.

use super::*;

/// `f` failed, `p` passed, `u` unsure, `s` a report of the request path, `t` traffic ejects it, `h` a
/// hand pardons it; after each step `E` says ejected, `A` admitted, `U` unproven, `.` no change.
#[test]
fn sequences() {
    use UpstreamState::{Admitted, Ejected, Unproven};
    let cases = [
        // (why, start, unhealthy_after, healthy_after, steps, expected)
        ("proven: two in a row eject", Admitted, 2, 1, "ff", ".E"),
        ("a pass between them starts over", Admitted, 2, 1, "fpff", "...E"),
        ("ejected once, not again", Admitted, 2, 1, "ffff", ".E.."),
        ("the first pass readmits", Ejected, 2, 1, "fp", ".A"),
        ("or as many as configured", Ejected, 2, 3, "ppp", "..A"),
        ("in a row", Ejected, 2, 2, "pfpp", "...A"),
        ("never proven: the first failure ejects", Unproven, 2, 1, "f", "E"),
        ("never proven: the first pass proves", Unproven, 2, 3, "p", "A"),
        ("after that it takes two", Unproven, 2, 1, "pff", "A.E"),
        ("one is enough when configured", Admitted, 1, 1, "f", "E"),
        ("unsure changes nothing", Admitted, 2, 1, "fuuf", "...E"),
        ("unsure proves nothing", Unproven, 2, 1, "uuu", "..."),
        ("a report and one failure eject", Admitted, 2, 1, "sf", ".E"),
        ("reports alone do not", Admitted, 2, 1, "ssssss", "......"),
        ("nor when one is enough", Admitted, 1, 1, "sss", "..."),
        ("nor the unproven", Unproven, 2, 1, "sss", "..."),
        ("a pass clears a report", Admitted, 2, 1, "spff", "...E"),
        ("reports count up to one short", Admitted, 3, 1, "sssssf", ".....E"),
        ("one report is one failure", Admitted, 3, 1, "sff", "..E"),
        ("traffic ejects at once, and only once", Admitted, 2, 1, "tt", "E."),
        ("also what was never proven", Unproven, 2, 1, "t", "E"),
        ("a pass readmits after traffic, too", Admitted, 2, 2, "tpp", "E.A"),
        ("passes before it do not count", Admitted, 2, 2, "pptp", "..E."),
        ("a pardon is a fresh start", Ejected, 2, 2, "hp", "UA"),
        ("of which the first failure is the end", Ejected, 2, 1, "hf", "UE"),
        ("only who is ejected needs one", Admitted, 2, 1, "hff", "..E"),
        ("readmitted starts from nothing", Admitted, 2, 1, "ffpff", ".EA.E"),
    ];
    for (why, start, unhealthy_after, healthy_after, steps, expected) in cases {
        let thresholds = Thresholds { unhealthy_after, healthy_after };
        let mut machine = HealthMachine::new(start);
        let seen: String = steps.chars().map(|step| run(&mut machine, step, thresholds)).collect();
        assert_eq!(seen, expected, "{why}");
    }
}

fn run(machine: &mut HealthMachine, step: char, thresholds: Thresholds) -> char {
    let before = machine.state();
    let transition = match step {
        'f' => machine.observe(Verdict::Failed, thresholds),
        'p' => machine.observe(Verdict::Passed, thresholds),
        'u' => machine.observe(Verdict::Unsure, thresholds),
        't' => machine.eject(),
        'h' => {
            if machine.pardon() {
                assert_eq!(machine.state(), UpstreamState::Unproven);
                return 'U';
            }
            None
        }
        _ => {
            machine.suspect(thresholds);
            None
        }
    };
    match transition {
        Some(Transition::Admitted) => {
            assert_eq!(machine.state(), UpstreamState::Admitted);
            'A'
        }
        Some(Transition::Ejected) => {
            assert_eq!(machine.state(), UpstreamState::Ejected);
            'E'
        }
        None => {
            assert_eq!(machine.state(), before);
            '.'
        }
    }
}
