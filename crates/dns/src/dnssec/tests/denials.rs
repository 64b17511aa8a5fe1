//! Proofs of both kinds, without their signatures.

use hickory_proto::rr::Record;

use super::super::denial::{Cut, Denial, Denied};
use super::super::fault::Kind;
use super::super::name::tests::key;
use super::super::rdata;
use super::super::set::sets;
use super::super::work::Work;
use super::tree::{nsec, nsec3};

const A: u16 = 1;

/// What records of `example` prove.
fn with<T>(
    records: &[Record],
    ask: impl FnOnce(&mut Denial<'_>, &mut Work) -> Result<T, Kind>,
) -> Result<T, Kind> {
    let (zone, sets) = (key("example."), sets(records));
    ask(&mut Denial::new(&zone, sets.iter()), &mut Work::default())
}

fn absent(records: &[Record], name: &str) -> Result<Denied, Kind> {
    with(records, |denial, work| denial.absent(&key(name), work))
}

fn no_data(records: &[Record], name: &str, rtype: u16) -> Result<Denied, Kind> {
    with(records, |denial, work| denial.no_data(&key(name), rtype, work))
}

fn no_ds(records: &[Record], name: &str) -> Result<Cut, Kind> {
    with(records, |denial, work| denial.no_ds(&key(name), work))
}

const PROVEN: Result<Denied, Kind> = Ok(Denied::Proven);
const BAD: Result<Denied, Kind> = Err(Kind::BadProof);

#[test]
fn nsec_proves_what_lies_between_two_names() {
    let top = nsec("example.", "a.example.", &[rdata::SOA, rdata::NS]);
    let both = [top.clone(), nsec("m.example.", "p.q.example.", &[A])];
    assert_eq!(absent(&both, "nope.example."), PROVEN);
    assert_eq!(absent(&both, "deep.nope.example."), PROVEN);
    assert_eq!(absent(&both, "q.example."), BAD, "something is below it");
    assert_eq!(absent(&both, "m.example."), BAD, "it is there");
    assert_eq!(absent(&both, "z.example."), BAD);
    assert_eq!(absent(&both, "nope.other."), BAD, "not of this zone");
    assert_eq!(absent(&both[1..], "nope.example."), BAD, "there may be a wildcard");
    assert_eq!(absent(&[nsec("m.example.", "example.", &[A])], "z.example."), BAD);
    let last = [top, nsec("m.example.", "example.", &[A])];
    assert_eq!(absent(&last, "z.example."), PROVEN, "the last one leads to the top");
    assert_eq!(absent(&[], "z.example."), Err(Kind::NoProof));
}

#[test]
fn nsec_proves_what_a_name_lacks() {
    let at = |types: &[u16]| [nsec("www.example.", "z.example.", types)];
    assert_eq!(no_data(&at(&[16]), "www.example.", A), PROVEN);
    assert_eq!(no_data(&at(&[A]), "www.example.", A), BAD);
    assert_eq!(no_data(&at(&[rdata::CNAME]), "www.example.", A), BAD, "an alias leads elsewhere");
    assert_eq!(no_data(&at(&[rdata::NS]), "www.example.", A), BAD, "the upper side does not know");
    assert_eq!(no_data(&at(&[rdata::NS]), "www.example.", rdata::DS), PROVEN);
    assert_eq!(no_data(&at(&[rdata::NS, rdata::SOA]), "www.example.", rdata::DS), BAD);
    assert_eq!(no_data(&at(&[A]), "www.example.", rdata::ANY), BAD);
    let between = [nsec("e.example.", "a.ent.example.", &[A])];
    assert_eq!(no_data(&between, "ent.example.", A), PROVEN, "a name that only others are below");
    let wild = |types: &[u16]| {
        [nsec("*.example.", "a.example.", types), nsec("m.example.", "z.example.", &[A])]
    };
    assert_eq!(no_data(&wild(&[16]), "nope.example.", A), PROVEN);
    assert_eq!(no_data(&wild(&[A]), "nope.example.", A), BAD);
    assert_eq!(no_data(&wild(&[16])[1..], "nope.example.", A), BAD);
}

#[test]
fn what_is_above_a_cut_says_nothing_below_it() {
    let cut = [nsec("sub.example.", "z.example.", &[rdata::NS])];
    let top = nsec("example.", "a.example.", &[rdata::SOA]);
    let all = [cut.to_vec(), vec![top]].concat();
    assert_eq!(absent(&all, "www.sub.example."), BAD);
    assert_eq!(no_ds(&all, "www.sub.example."), Err(Kind::BadProof));
    assert_eq!(no_ds(&all, "sub.example."), Ok(Cut::Unsigned));
    assert_eq!(no_ds(&all, "sup.example."), Ok(Cut::None));
    let tree = [nsec("old.example.", "z.example.", &[rdata::DNAME])];
    assert_eq!(no_ds(&tree, "www.old.example."), Err(Kind::BadProof));
}

/// From just before the hash of a name to just after it.
fn around(name: &str, is_opt_out: bool) -> Record {
    nsec3("example.", ((name, -1), (name, 1)), &[A], is_opt_out, 1)
}

/// At a name.
fn at(name: &str, types: &[u16]) -> Record {
    nsec3("example.", ((name, 0), (name, 1)), types, false, 1)
}

#[test]
fn nsec3_proves_from_the_closest_name_that_exists() {
    let top = || at("example.", &[rdata::SOA, rdata::NS]);
    let all = |next: Record| vec![top(), next, around("*.example.", false)];
    assert_eq!(absent(&all(around("nope.example.", false)), "nope.example."), PROVEN);
    assert_eq!(absent(&all(around("nope.example.", false)), "a.b.nope.example."), PROVEN);
    let opt_out = Ok(Denied::OptOut);
    assert_eq!(absent(&all(around("nope.example.", true)), "nope.example."), opt_out);
    assert_eq!(absent(&all(around("nope.example.", false))[..2], "nope.example."), BAD);
    assert_eq!(absent(&all(around("nope.example.", false))[1..], "nope.example."), BAD);
    assert_eq!(absent(&all(around("else.example.", false)), "nope.example."), BAD);
    let below = |types: &[u16]| {
        let wildcard = around("*.sub.example.", false);
        [at("sub.example.", types), around("x.sub.example.", false), wildcard]
    };
    assert_eq!(absent(&below(&[A]), "x.sub.example."), PROVEN);
    for rtype in [rdata::NS, rdata::DNAME] {
        assert_eq!(absent(&below(&[rtype]), "x.sub.example."), BAD, "the upper side does not know");
    }
    assert_eq!(absent(&[], "nope.example."), Err(Kind::NoProof));
}

#[test]
fn nsec3_proves_what_a_name_lacks() {
    let here = |types: &[u16]| [at("www.example.", types)];
    assert_eq!(no_data(&here(&[16]), "www.example.", A), PROVEN);
    assert_eq!(no_data(&here(&[A]), "www.example.", A), BAD);
    assert_eq!(no_data(&here(&[rdata::NS]), "www.example.", A), BAD);
    assert_eq!(no_ds(&here(&[rdata::NS]), "www.example."), Ok(Cut::Unsigned));
    assert_eq!(no_ds(&here(&[A]), "www.example."), Ok(Cut::None));
    assert_eq!(no_ds(&here(&[rdata::NS, rdata::DS]), "www.example."), Err(Kind::BadProof));
    let top = || at("example.", &[rdata::SOA]);
    let covered = |is_opt_out| [top(), around("sub.example.", is_opt_out)];
    assert_eq!(no_ds(&covered(true), "sub.example."), Ok(Cut::OptOut));
    assert_eq!(no_ds(&covered(false), "sub.example."), Ok(Cut::None));
    let wild = [top(), around("x.example.", false), at("*.example.", &[16])];
    assert_eq!(no_data(&wild, "x.example.", A), PROVEN);
    assert_eq!(no_data(&wild, "x.example.", 16), BAD);
    let expanded = with(&wild, |denial, work| denial.expanded(&key("x.example."), 1, work));
    assert_eq!(expanded, PROVEN);
    let expanded = with(&wild, |denial, work| denial.expanded(&key("y.example."), 1, work));
    assert_eq!(expanded, Err(Kind::NoProof));
}

#[test]
fn proofs_of_other_zones_or_kinds_do_not_count() {
    let other = nsec3("other.", (("example.", 0), ("example.", 0)), &[A], true, 1);
    assert_eq!(no_ds(&[other], "sub.example."), Err(Kind::NoProof));
    let often = nsec3("example.", (("example.", 0), ("example.", 0)), &[A], true, 101);
    assert_eq!(no_ds(&[often], "sub.example."), Err(Kind::Iterations));
}
