//! What the history's thread does: blocks of the current hour in memory, and when they are written.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use conduit_core::clock::Timestamp;

use super::HistorySettings;
use super::block::{Coarse, Fine, SECONDS, SLOT_SECONDS, Slot};
use super::kept::{Kept, KeptAlert, silence_from_row, silence_to_row};
use super::points::{Point, Points, Resolution, merged};
use super::steady::Steady;
use super::store::{self, Store};
use crate::metric::{Sample, Series};
use crate::node::NodeName;
use crate::silence::Silence;

/// Owner of the database.
#[derive(Debug)]
pub(super) struct Keeper {
    store: Store,
    settings: HistorySettings,
    /// The number of each series, and the last hour in which it was seen.
    known: HashMap<Series, (u32, i64)>,
    free_ids: BTreeSet<u32>,
    next_id: u32,
    /// Blocks that are written to, by hour and series.
    blocks: BTreeMap<(i64, u32), Live>,
    steady: Steady,
    /// Another process writes to the database.
    is_elsewhere: bool,
    lost: u64,
    late: u64,
}

#[derive(Debug, Default)]
struct Live {
    block: Fine,
    is_dirty: bool,
    /// Which quarters are among the coarse ones, whole.
    summed: [bool; 4],
}

impl Keeper {
    /// Takes over what is kept.
    pub(super) fn new(store: Store, settings: HistorySettings) -> rusqlite::Result<(Self, Kept)> {
        let alerts =
            store.kept(ALERTS)?.iter().filter_map(|row| KeptAlert::from_row(row)).collect();
        let silences =
            store.kept(SILENCES)?.iter().filter_map(|row| silence_from_row(row)).collect();
        let mut keeper = Self {
            store,
            settings,
            known: HashMap::new(),
            free_ids: BTreeSet::new(),
            next_id: 1,
            blocks: BTreeMap::new(),
            steady: Steady::default(),
            is_elsewhere: false,
            lost: 0,
            late: 0,
        };
        keeper.learn_series()?;
        Ok((keeper, Kept { alerts, silences }))
    }

    /// Takes samples into the blocks of their hours.
    pub(super) fn record(&mut self, samples: &[Sample]) {
        if self.is_elsewhere {
            // They are sampled there as well.
            return;
        }
        for sample in samples {
            let seconds = sample.at.seconds();
            let value = sample.value as f32;
            if seconds < 0 || !value.is_finite() {
                self.lost += 1;
                continue;
            }
            let hour = seconds / i64::from(SECONDS);
            let second = u16::try_from(seconds % i64::from(SECONDS)).unwrap_or(0);
            let Some(id) = self.id_of(&sample.series, hour) else {
                self.lost += 1;
                continue;
            };
            let store = &self.store;
            let live = self.blocks.entry((hour, id)).or_insert_with(|| {
                // An hour that was begun before a restart goes on.
                Live {
                    block: store.fine(hour, id).ok().flatten().unwrap_or_default(),
                    ..Live::default()
                }
            });
            if live.block.push(second, value) {
                live.is_dirty = true;
            } else {
                self.late += 1;
            }
        }
    }

    /// Writes what is in memory, throws away what is old, and keeps the size; at the `end` also
    /// sums up the quarter that is not whole yet.
    pub(super) fn flush(&mut self, now: Timestamp, running: Duration, end: bool) {
        if self.is_elsewhere {
            return;
        }
        let is_steady = self.steady.observe(now, running);
        let done = self.write(now, end).and_then(|()| {
            if is_steady {
                self.expire(now)?;
            }
            self.store.give_up_oldest()
        });
        match done {
            Ok(0) => {}
            Ok(_) => tracing::warn!("the monitor's history is full; the oldest of it was given up"),
            Err(error) => self.mend(&error),
        }
        // What could not be written within its hour and the next is given up.
        let hour = hour_of(now);
        let mut lost = 0;
        self.blocks.retain(|(place, _), live| {
            let is_near = (hour - 1..=hour + 1).contains(place);
            if !is_near && live.is_dirty {
                lost += live.block.points().len() as u64;
            }
            is_near
        });
        self.lost += lost;
    }

    /// Writes what is in memory, and nothing from then on: another process goes on with it.
    pub(super) fn leave(&mut self, now: Timestamp, running: Duration) {
        self.flush(now, running, true);
        self.blocks.clear();
        self.is_elsewhere = true;
    }

    /// Goes on after all, from what that process may have written.
    pub(super) fn take_back(&mut self) {
        self.is_elsewhere = false;
        self.known.clear();
        if let Err(error) = self.learn_series() {
            self.mend(&error);
        }
    }

    /// The points of a series between two times.
    pub(super) fn query(
        &mut self,
        series: &Series,
        (from, to): (Timestamp, Timestamp),
        step: Duration,
        now: Timestamp,
    ) -> Points {
        // Who asks for the last 24 hours asks a moment after having reckoned when they began.
        let is_fine = now.since(from) <= self.settings.fine + QUERY_SLACK;
        let resolution = if is_fine { Resolution::Fine } else { Resolution::Coarse };
        let reach = if is_fine { self.settings.fine } else { self.settings.coarse };
        let from = from.max(now.minus(reach).minus(QUERY_SLACK));
        let to = to.min(now.plus(QUERY_SLACK));
        let mut points = Vec::new();
        if let Some((id, _)) = self.known.get(series).copied().filter(|_| from <= to) {
            let read = match resolution {
                Resolution::Fine => self.fine_points(id, from, to, &mut points),
                Resolution::Coarse => self.coarse_points(id, from, to, &mut points),
            };
            if let Err(error) = read {
                self.mend(&error);
            }
        }
        points.retain(|point| (from..=to).contains(&point.at));
        merged(resolution, &points, (from, to), step)
    }

    /// The series of a node, or of all.
    pub(super) fn series(&self, node: Option<&NodeName>) -> Vec<Series> {
        let of = |series: &&Series| node.is_none_or(|node| series.node == *node);
        let mut series: Vec<Series> = self.known.keys().filter(of).cloned().collect();
        series.sort();
        series
    }

    pub(super) fn keep_alerts(&mut self, alerts: &[KeptAlert]) {
        let rows: Vec<String> = alerts.iter().filter_map(KeptAlert::to_row).collect();
        self.keep(ALERTS, &rows);
    }

    pub(super) fn keep_silences(&mut self, silences: &[Silence]) {
        let rows: Vec<String> = silences.iter().filter_map(silence_to_row).collect();
        self.keep(SILENCES, &rows);
    }

    /// Samples lost and late since the last call.
    pub(super) fn take_losses(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.lost), std::mem::take(&mut self.late))
    }

    pub(super) fn series_count(&self) -> u64 {
        self.known.len() as u64
    }

    pub(super) fn bytes(&self) -> u64 {
        self.store.bytes().unwrap_or(0)
    }

    fn keep(&mut self, kind: &str, rows: &[String]) {
        if self.is_elsewhere {
            return;
        }
        if let Err(error) = self.store.keep(kind, rows) {
            self.mend(&error);
        }
    }

    fn learn_series(&mut self) -> rusqlite::Result<()> {
        for (series, id, last_hour) in self.store.series()? {
            self.known.insert(series, (id, last_hour));
        }
        let taken: BTreeSet<u32> = self.store.series_ids()?.into_iter().collect();
        self.next_id = taken.last().map_or(1, |last| last.saturating_add(1));
        self.free_ids = (1..self.next_id.min(ID_MAX)).filter(|id| !taken.contains(id)).collect();
        Ok(())
    }

    /// The number of a series, which a new one gets if there is room: the room of those that were
    /// not seen for an hour counts.
    fn id_of(&mut self, series: &Series, hour: i64) -> Option<u32> {
        if let Some((id, last_hour)) = self.known.get_mut(series) {
            *last_hour = (*last_hour).max(hour);
            return Some(*id);
        }
        if self.known.len() >= self.settings.series_max && !self.make_room(hour) {
            return None;
        }
        let id = match self.free_ids.pop_first() {
            Some(id) => id,
            None if self.next_id < ID_MAX => {
                self.next_id += 1;
                self.next_id - 1
            }
            None => return None,
        };
        self.known.insert(series.clone(), (id, hour));
        Some(id)
    }

    /// Gives up the twentieth part of the series that was not seen for longest.
    fn make_room(&mut self, hour: i64) -> bool {
        let mut idle: Vec<(i64, Series)> = self
            .known
            .iter()
            .filter(|(_, (_, last_hour))| *last_hour + 1 < hour)
            .map(|(series, (_, last_hour))| (*last_hour, series.clone()))
            .collect();
        idle.sort();
        idle.truncate((self.settings.series_max / ROOM_PARTS).max(1));
        let series: Vec<Series> = idle.into_iter().map(|(_, series)| series).collect();
        !series.is_empty() && self.forget(&series, hour)
    }

    fn forget(&mut self, series: &[Series], hour: i64) -> bool {
        let ids: Vec<u32> =
            series.iter().filter_map(|s| self.known.get(s)).map(|(id, _)| *id).collect();
        let hours = (hour - hours_in(self.settings.fine) - 1, hour + 1);
        let day = hour.div_euclid(24);
        let days = (day - hours_in(self.settings.coarse) / 24 - 1, day + 1);
        if let Err(error) = self.store.forget(&ids, hours, days) {
            self.mend(&error);
            return false;
        }
        self.blocks.retain(|(_, id), _| !ids.contains(id));
        for series in series {
            self.known.remove(series);
        }
        self.free_ids.extend(ids);
        true
    }

    fn write(&mut self, now: Timestamp, end: bool) -> rusqlite::Result<()> {
        let mut sums: BTreeMap<(i64, u32), Coarse> = BTreeMap::new();
        let mut summed = Vec::new();
        for ((hour, id), live) in &self.blocks {
            for (quarter, slot) in live.block.slots() {
                let ends =
                    hour * i64::from(SECONDS) + i64::from(quarter + 1) * i64::from(SLOT_SECONDS);
                let is_whole = ends <= now.seconds();
                if (is_whole || end) && !live.summed[usize::from(quarter)] {
                    sums.entry((hour.div_euclid(24), *id))
                        .or_default()
                        .0
                        .insert(slot_of(*hour, quarter), slot);
                    summed.extend(is_whole.then_some((*hour, *id, quarter)));
                }
            }
        }
        for ((day, id), sum) in &mut sums {
            let mut whole = self.store.coarse(*day, *id)?.unwrap_or_default();
            whole.0.append(&mut sum.0);
            *sum = whole;
        }
        let touched: BTreeSet<u32> =
            self.blocks.iter().filter(|(_, live)| live.is_dirty).map(|((_, id), _)| *id).collect();
        let transaction = self.store.transaction()?;
        for (series, (id, last_hour)) in
            self.known.iter().filter(|(_, (id, _))| touched.contains(id))
        {
            store::put_series(&transaction, (series, *id, *last_hour))?;
        }
        for ((hour, id), live) in self.blocks.iter().filter(|(_, live)| live.is_dirty) {
            store::put_fine(&transaction, *hour, *id, &live.block)?;
        }
        for ((day, id), sum) in &sums {
            store::put_coarse(&transaction, *day, *id, sum)?;
        }
        transaction.commit()?;
        self.blocks.values_mut().for_each(|live| live.is_dirty = false);
        for (hour, id, quarter) in summed {
            if let Some(live) = self.blocks.get_mut(&(hour, id)) {
                live.summed[usize::from(quarter)] = true;
            }
        }
        Ok(())
    }

    fn expire(&mut self, now: Timestamp) -> rusqlite::Result<()> {
        let hour = hour_of(now);
        let oldest_coarse = hour - hours_in(self.settings.coarse);
        let fine = (hour - hours_in(self.settings.fine), hour + 1);
        self.store.expire(fine, (oldest_coarse.div_euclid(24), hour.div_euclid(24) + 1))?;
        let is_gone = |(_, last_hour): &(u32, i64)| *last_hour < oldest_coarse;
        let gone: Vec<Series> =
            self.known.iter().filter(|(_, known)| is_gone(known)).map(|(s, _)| s.clone()).collect();
        if !gone.is_empty() {
            self.forget(&gone, hour);
        }
        Ok(())
    }

    fn fine_points(
        &self,
        id: u32,
        from: Timestamp,
        to: Timestamp,
        points: &mut Vec<Point>,
    ) -> rusqlite::Result<()> {
        for hour in hour_of(from)..=hour_of(to) {
            let stored;
            let block = match self.blocks.get(&(hour, id)) {
                Some(live) => &live.block,
                None => {
                    stored = self.store.fine(hour, id)?.unwrap_or_default();
                    &stored
                }
            };
            points.extend(block.points().iter().map(|(second, value)| {
                let at = Timestamp::from_seconds(hour * i64::from(SECONDS) + i64::from(*second));
                let value = f64::from(*value);
                Point { at, min: value, mean: value, max: value }
            }));
        }
        Ok(())
    }

    fn coarse_points(
        &self,
        id: u32,
        from: Timestamp,
        to: Timestamp,
        points: &mut Vec<Point>,
    ) -> rusqlite::Result<()> {
        for day in hour_of(from).div_euclid(24)..=hour_of(to).div_euclid(24) {
            let mut sum = self.store.coarse(day, id)?.unwrap_or_default();
            // What is in memory is newer than what is written.
            for hour in day * 24..(day + 1) * 24 {
                if let Some(live) = self.blocks.get(&(hour, id)) {
                    let slots = live.block.slots().into_iter();
                    sum.0.extend(slots.map(|(quarter, slot)| (slot_of(hour, quarter), slot)));
                }
            }
            points.extend(sum.0.into_iter().map(|(number, Slot { min, mean, max })| {
                let seconds = day * 86_400 + i64::from(number) * i64::from(SLOT_SECONDS);
                let [min, mean, max] = [min, mean, max].map(f64::from);
                Point { at: Timestamp::from_seconds(seconds), min, mean, max }
            }));
        }
        Ok(())
    }

    /// After a failure: a broken database is begun anew, anything else is tried again.
    fn mend(&mut self, error: &rusqlite::Error) {
        tracing::warn!(%error, "the monitor's history could not be written or read");
        if !store::is_broken(error) {
            return;
        }
        if let Err(error) = self.store.begin_anew(&error.to_string()) {
            tracing::warn!(%error, "the monitor's history could not be begun anew");
        }
        // What is in memory is written into the new one.
        self.blocks.values_mut().for_each(|live| live.is_dirty = true);
    }
}

fn hour_of(at: Timestamp) -> i64 {
    at.seconds().div_euclid(i64::from(SECONDS))
}

fn hours_in(length: Duration) -> i64 {
    i64::try_from(length.as_secs().div_ceil(u64::from(SECONDS))).unwrap_or(i64::MAX >> SHIFT_ROOM)
}

/// The number of a quarter within its day.
fn slot_of(hour: i64, quarter: u8) -> u8 {
    u8::try_from(hour.rem_euclid(24)).unwrap_or(0) * 4 + quarter
}

/// What alerts are kept under.
const ALERTS: &str = "alert";
/// What silences are kept under.
const SILENCES: &str = "silence";
/// Numbers of series end here: they have 20 bits of a key.
const ID_MAX: u32 = 1 << 20;
/// The part of the series that is given up at once when there are too many: one of so many.
const ROOM_PARTS: usize = 20;
/// A query may reach a little over what is kept, either way.
const QUERY_SLACK: Duration = Duration::from_secs(3_600);
/// Keeps arithmetic on absurd settings within a key.
const SHIFT_ROOM: u32 = 24;

#[cfg(test)]
impl Keeper {
    pub(super) fn store_for_test(&mut self) -> &mut Store {
        &mut self.store
    }
}
