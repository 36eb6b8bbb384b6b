//! A fake of the services by which clouds give credentials to who runs in them: all of AWS's, Google's and Azure's at one port.
//! Each is as strict as its documents say, and what it gives is numbered.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;

/// AWS's own example, whose signatures the fake of Bedrock checks.
const ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// An hour after the clock of the tests.
const UNTIL: &str = "2026-06-02T11:00:00Z";
const FORM: &str = "application/x-www-form-urlencoded";

/// How the services are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    #[default]
    Well,
    /// 503 for everything.
    Down,
    /// Replies without what they are asked for.
    Wrong,
    /// Keys that no provider takes, once.
    Bad,
}

/// The fake.
#[derive(Clone)]
pub struct Clouds {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    mood: Mood,
    asked: Vec<String>,
    given: usize,
}

/// What it was asked.
struct Asked {
    /// Method and path.
    line: String,
    query: String,
    head: hyper::http::request::Parts,
    body: String,
}

impl Asked {
    fn header(&self, name: &str) -> &str {
        self.head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// All of these stand in the form.
    fn says(&self, fields: &[&str]) -> bool {
        let given: Vec<&str> = self.body.split('&').collect();
        self.header("content-type") == FORM && fields.iter().all(|field| given.contains(field))
    }
}

impl Clouds {
    pub async fn start() -> Clouds {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let clouds = Clouds { address: listener.local_addr().expect("an address"), state: Arc::default() };
        let serving = clouds.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let clouds = serving.clone();
                let service = service_fn(move |request| answered(clouds.clone(), request));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        clouds
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn be(&self, mood: Mood) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).mood = mood;
    }

    /// Method, path and query of each request.
    pub fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).asked.clone()
    }
}

async fn answered(clouds: Clouds, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let asked = Asked {
        line: format!("{} {}", head.method, head.uri.path()),
        query: head.uri.query().unwrap_or_default().to_owned(),
        head,
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let (mood, number) = {
        let mut state = clouds.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.asked.push(format!("{}?{}", asked.line, asked.query));
        state.given += 1;
        let mood = state.mood;
        if mood == Mood::Bad && asked.line.ends_with("/gateway-role") {
            state.mood = Mood::Well;
        }
        (mood, state.given)
    };
    let (status, body) = match mood {
        Mood::Down => (503, String::new()),
        Mood::Wrong => (200, json!({ "canary": "canary-wrong-reply" }).to_string()),
        Mood::Well => answer(&asked, ID, number),
        Mood::Bad => answer(&asked, "badkey", number),
    };
    let response = Response::builder().status(status).body(Full::new(Bytes::from(body)));
    Ok(response.expect("a response"))
}

fn answer(asked: &Asked, id: &str, number: usize) -> (u16, String) {
    let token = format!("canary-token-{number}");
    let aws = || {
        json!({
            "Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": id, "SecretAccessKey": SECRET, "Token": token,
            "Expiration": UNTIL,
        })
    };
    let bearer = || json!({ "access_token": token, "expires_in": 3599, "token_type": "Bearer" }).to_string();
    // Azure's metadata service writes numbers as texts.
    let azure = || json!({ "access_token": token, "expires_in": "86399", "expires_on": "1780480799" }).to_string();
    let given =
        |may: bool, body: String| if may { (200, body) } else { (401, json!({ "error": "denied" }).to_string()) };
    let session = asked.header("x-aws-ec2-metadata-token") == "canary-session";
    match asked.line.as_str() {
        "PUT /latest/api/token" => given(
            asked.header("x-aws-ec2-metadata-token-ttl-seconds").parse::<u32>().is_ok(),
            "canary-session".to_owned(),
        ),
        "GET /latest/meta-data/iam/security-credentials/" => given(session, "gateway-role".to_owned()),
        "GET /latest/meta-data/iam/security-credentials/gateway-role" => given(session, aws().to_string()),
        "GET /v2/credentials/task" => given(asked.header("authorization") == "canary-container", aws().to_string()),
        "POST /" => sts(asked, id, &token),
        "GET /computeMetadata/v1/instance/service-accounts/default/token" => {
            given(asked.header("metadata-flavor") == "Google", bearer())
        }
        "POST /v1/token" => {
            let fields = [
                "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange",
                "subject_token=canary-subject",
                "subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt",
                "audience=%2F%2Fiam.googleapis.com%2Fpool",
            ];
            given(asked.says(&fields), json!({ "access_token": "canary-federated", "expires_in": 3600 }).to_string())
        }
        "POST /v1/projects/-/serviceAccounts/g@p.iam.example:generateAccessToken" => {
            let may = asked.header("authorization") == "Bearer canary-federated"
                && asked.body.contains("\"lifetime\":\"3600s\"");
            given(may, json!({ "accessToken": token, "expireTime": UNTIL }).to_string())
        }
        "POST /refresh" => {
            let fields = [
                "grant_type=refresh_token",
                "client_id=client-1",
                "client_secret=canary-client",
                "refresh_token=canary-refresh",
            ];
            given(asked.says(&fields), bearer())
        }
        "GET /subject" => {
            given(asked.header("x-secret") == "canary-header", json!({ "id_token": "canary-subject" }).to_string())
        }
        "GET /metadata/identity/oauth2/token" => {
            let resource = "resource=https%3A%2F%2Fcognitiveservices.azure.com";
            let may = asked.header("metadata") == "true" && asked.query.contains(resource);
            given(may && asked.query.contains("api-version=2018-02-01"), azure())
        }
        "GET /msi/token" => {
            let may =
                asked.header("x-identity-header") == "canary-header" && asked.query.contains("client_id=client-1");
            given(may && asked.query.contains("api-version=2019-08-01"), azure())
        }
        "POST /tenant-1/oauth2/v2.0/token" => {
            let fields = [
                "grant_type=client_credentials",
                "client_id=client-1",
                "scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default",
                "client_assertion=canary-subject",
            ];
            given(asked.says(&fields), bearer())
        }
        _ => (404, String::new()),
    }
}

/// AWS's Security Token Service.
fn sts(asked: &Asked, id: &str, token: &str) -> (u16, String) {
    let signed = asked.header("authorization");
    let is_signed = signed.starts_with(&format!("AWS4-HMAC-SHA256 Credential={ID}/"))
        && signed.contains("/us-east-1/sts/aws4_request")
        && asked.says(&["Action=AssumeRole", "ExternalId=external-1"]);
    let is_known = asked.says(&["Action=AssumeRoleWithWebIdentity", "WebIdentityToken=canary-subject"]);
    let names_role = asked.says(&["Version=2011-06-15", "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fgateway"]);
    if !names_role || !(is_signed || is_known) {
        let error = "<Code>AccessDenied</Code><Message>canary-message</Message>";
        return (403, format!("<ErrorResponse><Error>{error}</Error></ErrorResponse>"));
    }
    let keys = format!("<AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>");
    let rest = format!("<SessionToken>{token}</SessionToken><Expiration>{UNTIL}</Expiration>");
    (200, format!("<R><AssumeRoleResult><Credentials>{keys}{rest}</Credentials></AssumeRoleResult></R>"))
}
