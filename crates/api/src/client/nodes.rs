//! The requests about nodes, alerts and containers.

use http::Method;

use super::lines::Lines;
use super::target::{Query, segment};
use super::{BULK_TIMEOUT, Client, Reply};
use crate::error::ClientError;
use crate::v1::ROOT;
use crate::v1::alerts::{
    AddSilence, AlertList, ChannelList, RuleList, Silence, SilenceList, TestChannelReply,
};
use crate::v1::nodes::{
    AddNode, AddNodeReply, ContainerLine, History, NodeList, NodeReply, RemoveNodeReply, TestNode,
    TestReply,
};

/// Which samples of a node are asked for.
#[derive(Debug, Clone, Default)]
pub struct HistoryQuery {
    /// Such as `gpu_temperature`.
    pub metric: String,
    /// One of the node's things; all of them when absent.
    pub subject: Option<String>,
    /// RFC 3339; a day before `to` when absent.
    pub from: Option<String>,
    /// RFC 3339; now when absent.
    pub to: Option<String>,
    /// Seconds; as fine as the samples are kept when absent.
    pub step: Option<u64>,
}

/// Which lines of a container's log are asked for.
#[derive(Debug, Clone, Default)]
pub struct ContainerLogQuery {
    /// Whether to go on with new lines as they come.
    pub follow: bool,
    /// RFC 3339; from the beginning when absent.
    pub since: Option<String>,
    /// The newest lines to begin with; all of them when absent.
    pub tail: Option<u32>,
}

impl Client {
    /// `GET /api/v1/nodes`; `containers` asks for every container too.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn nodes(&self, containers: bool) -> Result<Reply<NodeList>, ClientError> {
        let query = if containers { "?containers=true" } else { "" };
        self.get(&format!("{ROOT}/nodes{query}")).await
    }

    /// `GET /api/v1/nodes/{name}`, with everything that is known of it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn node(&self, name: &str) -> Result<Reply<NodeReply>, ClientError> {
        self.get(&format!("{ROOT}/nodes/{}", segment(name))).await
    }

    /// `GET /api/v1/nodes/{name}/history`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn node_history(
        &self,
        name: &str,
        asked: &HistoryQuery,
    ) -> Result<Reply<History>, ClientError> {
        let step = asked.step.map(|step| step.to_string());
        let mut query = Query::new().with("metric", &asked.metric);
        for (key, value) in
            [("subject", &asked.subject), ("from", &asked.from), ("to", &asked.to), ("step", &step)]
        {
            if let Some(value) = value {
                query = query.with(key, value);
            }
        }
        self.get(&format!("{ROOT}/nodes/{}/history{query}", segment(name))).await
    }

    /// `POST /api/v1/nodes`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn add_node(&self, node: &AddNode) -> Result<Reply<AddNodeReply>, ClientError> {
        let client = self.clone().with_timeout(self.timeout.max(BULK_TIMEOUT));
        let mend = "run `conduit monitor`".to_owned();
        client.change(Method::POST, &format!("{ROOT}/nodes"), node, mend).await
    }

    /// `DELETE /api/v1/nodes/{name}`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn remove_node(&self, name: &str) -> Result<Reply<RemoveNodeReply>, ClientError> {
        let path = format!("{ROOT}/nodes/{}", segment(name));
        self.change_bare(Method::DELETE, &path, "run `conduit monitor`".into()).await
    }

    /// `POST /api/v1/nodes:test`: changes nothing.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn test_node(&self, wish: &TestNode) -> Result<Reply<TestReply>, ClientError> {
        let client = self.clone().with_timeout(self.timeout.max(BULK_TIMEOUT));
        let mend = "run it again; nothing is changed by it".to_owned();
        client.change(Method::POST, &format!("{ROOT}/nodes:test"), wish, mend).await
    }

    /// `GET /api/v1/alerts`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn alerts(&self) -> Result<Reply<AlertList>, ClientError> {
        self.get(&format!("{ROOT}/alerts")).await
    }

    /// `GET /api/v1/monitor/rules`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn alert_rules(&self) -> Result<Reply<RuleList>, ClientError> {
        self.get(&format!("{ROOT}/monitor/rules")).await
    }

    /// `GET /api/v1/monitor/channels`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn channels(&self) -> Result<Reply<ChannelList>, ClientError> {
        self.get(&format!("{ROOT}/monitor/channels")).await
    }

    /// `POST /api/v1/monitor/channels/{name}/test`: sends one message that says it is a test.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn test_channel(&self, name: &str) -> Result<Reply<TestChannelReply>, ClientError> {
        let client = self.clone().with_timeout(self.timeout.max(BULK_TIMEOUT));
        let path = format!("{ROOT}/monitor/channels/{}/test", segment(name));
        let mend = "look whether the message came; run it again if not".to_owned();
        client.change_bare(Method::POST, &path, mend).await
    }

    /// `GET /api/v1/alerts/silences`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn silences(&self) -> Result<Reply<SilenceList>, ClientError> {
        self.get(&format!("{ROOT}/alerts/silences")).await
    }

    /// `POST /api/v1/alerts/silences`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn silence(&self, wish: &AddSilence) -> Result<Reply<Silence>, ClientError> {
        let mend = "run `conduit monitor silence`, which lists them".to_owned();
        self.change(Method::POST, &format!("{ROOT}/alerts/silences"), wish, mend).await
    }

    /// `DELETE /api/v1/alerts/silences/{id}`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn lift_silence(&self, id: &str) -> Result<Reply<Silence>, ClientError> {
        let path = format!("{ROOT}/alerts/silences/{}", segment(id));
        let mend = "run `conduit monitor silence`, which lists them".to_owned();
        self.change_bare(Method::DELETE, &path, mend).await
    }

    /// `GET /api/v1/containers/{name}/logs`: line after line, as they come.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn container_log(
        &self,
        name: &str,
        asked: &ContainerLogQuery,
    ) -> Result<Lines<ContainerLine>, ClientError> {
        let tail = asked.tail.map(|tail| tail.to_string());
        let mut query = Query::new().with("follow", if asked.follow { "true" } else { "false" });
        for (key, value) in [("since", &asked.since), ("tail", &tail)] {
            if let Some(value) = value {
                query = query.with(key, value);
            }
        }
        let target = format!("{ROOT}/containers/{}/logs{query}", segment(name));
        self.lines(&target).await
    }
}
