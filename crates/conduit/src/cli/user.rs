//! `conduit user`: people who may log in.

use conduit_api::v1::users::{AddUser, SetPassword, SetRole, User};

use super::args::{AddUserArgs, ListUsersArgs, PasswdArgs, UserAction};
use super::exit::Failure;
use super::output::table;
use super::password;
use super::session::Session;

/// Adds, lists, changes or removes.
pub(crate) async fn run(session: &Session, action: UserAction) -> Result<(), Failure> {
    match action {
        UserAction::Add(args) => add(session, args).await,
        UserAction::List(ListUsersArgs { all, output }) => {
            let reply = session.client().await?.users(all).await?;
            session.print(output.json, &reply, |reply| list(&reply.users))
        }
        UserAction::Remove(args) => {
            let reply = session.client().await?.remove_user(&args.name).await?;
            session.print(args.output.json, &reply, |reply| format!("{} removed\n", reply.name))
        }
        UserAction::Passwd(args) => passwd(session, args).await,
        UserAction::Role(args) => {
            let wish = SetRole { role: args.role.into() };
            let reply = session.client().await?.set_user_role(&args.name, &wish).await?;
            let told = |user: &User| format!("{} has the role {} now\n", user.name, user.role);
            session.print(args.output.json, &reply, told)
        }
    }
}

async fn add(session: &Session, args: AddUserArgs) -> Result<(), Failure> {
    // Nobody types a password for a gateway that does not answer.
    let client = session.client().await?;
    let password = match args.no_password {
        true => None,
        false => Some(password::read(&args.name, args.password.password_file.as_deref())?),
    };
    let wish = AddUser { name: args.name, role: args.role.into(), password };
    let reply = client.add_user(&wish).await?;
    session.print(args.output.json, &reply, |user| {
        format!("{} added with the role {}\n", user.name, user.role)
    })
}

async fn passwd(session: &Session, args: PasswdArgs) -> Result<(), Failure> {
    let client = session.client().await?;
    let password = password::read(&args.name, args.password.password_file.as_deref())?;
    let wish = SetPassword { password, old_password: None };
    let reply = client.set_user_password(&args.name, &wish).await?;
    session.print(args.output.json, &reply, |user| {
        format!("the password of {} is set; their sessions are over\n", user.name)
    })
}

fn list(users: &[User]) -> String {
    if users.is_empty() {
        return "No users; `conduit user add NAME` adds one, `conduit login` needs none.\n"
            .to_owned();
    }
    let rows: Vec<Vec<String>> = users
        .iter()
        .map(|user| {
            let password = match (&user.removed_at, &user.password_set_at) {
                (Some(at), _) => format!("removed {at}"),
                (None, Some(at)) => format!("set {at}"),
                (None, None) => "none".to_owned(),
            };
            let (name, role) = (user.name.clone(), user.role.to_string());
            vec![name, role, user.created_at.clone(), user.passkeys.to_string(), password]
        })
        .collect();
    table(&["NAME", "ROLE", "ADDED", "PASSKEYS", "PASSWORD"], &rows)
}

#[cfg(test)]
mod tests {
    use conduit_api::v1::tokens::Role;

    use super::*;

    #[test]
    fn the_list_says_who_can_log_in() {
        let user = |name: &str, set: Option<&str>, removed: Option<&str>| User {
            name: name.into(),
            role: Role::Operator,
            has_password: set.is_some(),
            password_set_at: set.map(str::to_owned),
            passkeys: 2,
            created_at: "2026-04-04T12:00:00Z".into(),
            removed_at: removed.map(str::to_owned),
        };
        let (set, gone) = (Some("2026-05-01T00:00:00Z"), Some("2026-06-01T00:00:00Z"));
        assert_eq!(
            list(&[user("ada", set, None), user("bob", None, None), user("eve", set, gone)]),
            "NAME  ROLE      ADDED                 PASSKEYS  PASSWORD\n\
             ada   operator  2026-04-04T12:00:00Z  2         set 2026-05-01T00:00:00Z\n\
             bob   operator  2026-04-04T12:00:00Z  2         none\n\
             eve   operator  2026-04-04T12:00:00Z  2         removed 2026-06-01T00:00:00Z\n"
        );
    }
}
