//! Rows of services with their leaves, one at a time.
//!
//! **Invariant:** a service is parsed once, however many leaves are joined to it, and no more than
//! one is held.

use rusqlite::{Connection, Row, Rows, Statement};

use crate::error::RegistryError;
use crate::row::{self, SERVICE_COLUMN_COUNT, SERVICE_COLUMNS};
use crate::row::{LeafSummary, ServiceRow};

/// Rows being read, oldest first.
pub(crate) struct ServiceRows<'statement> {
    rows: Rows<'statement>,
    /// The service that was read last, and its row's number; more leaves may follow.
    pending: Option<(i64, ServiceRow)>,
}

/// Prepares to read every row, or the active ones only.
pub(crate) fn select_rows(
    connection: &Connection,
    with_inactive: bool,
) -> Result<Statement<'_>, RegistryError> {
    let filter = if with_inactive { "" } else { "WHERE s.status = 'active'" };
    let sql = format!(
        "SELECT {SERVICE_COLUMNS}, l.algorithm, l.issuer, l.fingerprint, l.not_before, l.not_after,
                s.id
         FROM services s
         LEFT JOIN leaves l ON l.service = s.name AND s.status = 'active'
         {filter} ORDER BY s.id, l.algorithm"
    );
    connection.prepare(&sql).map_err(RegistryError::Read)
}

impl<'statement> ServiceRows<'statement> {
    /// Begins to read what was prepared by [`select_rows`].
    pub(crate) fn of(statement: &'statement mut Statement<'_>) -> Result<Self, RegistryError> {
        let rows = statement.query([]).map_err(RegistryError::Read)?;
        Ok(Self { rows, pending: None })
    }

    fn advance(&mut self) -> Result<Option<ServiceRow>, RegistryError> {
        while let Some(row) = self.rows.next().map_err(RegistryError::Read)? {
            let id: i64 = row.get(ID_COLUMN).map_err(RegistryError::Read)?;
            let leaf = leaf_column(row)?;
            match &mut self.pending {
                Some((last, service)) if *last == id => service.leaves.extend(leaf),
                _ => {
                    let leaves = leaf.into_iter().collect();
                    let next = ServiceRow { leaves, ..row::service(row)? };
                    if let Some((_, whole)) = self.pending.replace((id, next)) {
                        return Ok(Some(whole));
                    }
                }
            }
        }
        Ok(self.pending.take().map(|(_, last)| last))
    }
}

impl Iterator for ServiceRows<'_> {
    type Item = Result<ServiceRow, RegistryError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

fn leaf_column(row: &Row<'_>) -> Result<Option<LeafSummary>, RegistryError> {
    let algorithm: Option<String> = row.get(SERVICE_COLUMN_COUNT).map_err(RegistryError::Read)?;
    algorithm.map(|_| row::leaf_summary(row, SERVICE_COLUMN_COUNT)).transpose()
}

/// After the columns of the service and the five of its leaf.
const ID_COLUMN: usize = SERVICE_COLUMN_COUNT + 5;
