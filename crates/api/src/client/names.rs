//! The requests about who asks our DNS for what, and why it answers as it does.

use super::target::Query;
use super::{Client, Reply};
use crate::error::ClientError;
use crate::v1::ROOT;
use crate::v1::queries::QueryList;
use crate::v1::why::WhyReply;

/// Which lines of the query log are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryFilter {
    /// How many at most; the gateway's default when absent.
    pub limit: Option<u32>,
    /// Only those behind this number.
    pub after: Option<u64>,
    /// Only those with this in their name.
    pub name: Option<String>,
    /// Only those of clients whose address begins with this.
    pub client: Option<String>,
    /// Only those with this outcome, response code or source.
    pub outcome: Option<String>,
}

impl Client {
    /// `GET /api/v1/dns/queries`: the newest lines of the query log.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn dns_queries(&self, filter: &QueryFilter) -> Result<Reply<QueryList>, ClientError> {
        let QueryFilter { limit, after, name, client, outcome } = filter;
        let given = [
            ("limit", limit.map(|limit| limit.to_string())),
            ("after", after.map(|after| after.to_string())),
            ("name", name.clone()),
            ("client", client.clone()),
            ("outcome", outcome.clone()),
        ];
        let query = given.iter().fold(Query::new(), |query, (key, value)| match value {
            Some(value) => query.with(key, value),
            None => query,
        });
        self.get(&format!("{ROOT}/dns/queries{query}")).await
    }

    /// `GET /api/v1/dns/why`: how a name is answered; with `ask` it is asked for as well.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn why(
        &self,
        name: &str,
        record_type: &str,
        client: Option<&str>,
        ask: bool,
    ) -> Result<Reply<WhyReply>, ClientError> {
        let mut query = Query::new().with("name", name).with("type", record_type);
        if let Some(client) = client {
            query = query.with("client", client);
        }
        if ask {
            query = query.with("ask", "true");
        }
        self.get(&format!("{ROOT}/dns/why{query}")).await
    }
}
