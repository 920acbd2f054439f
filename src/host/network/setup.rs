//! What a link has of IPv4, and the steps from one such setup to the next.

use std::net::Ipv4Addr;

/// A way to a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) to: Ipv4Addr,
    pub(super) prefix: u8,
    /// `None`: it is on the link itself.
    pub(super) via: Option<Ipv4Addr>,
}

/// An address with its routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setup {
    pub(super) address: Ipv4Addr,
    pub(super) prefix: u8,
    pub(super) routes: Vec<Route>,
}

/// What the kernel is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    AddAddress {
        address: Ipv4Addr,
        prefix: u8,
    },
    RemoveAddress {
        address: Ipv4Addr,
        prefix: u8,
    },
    /// Puts a route, in place of another to the same network.
    PutRoute {
        route: Route,
        from: Ipv4Addr,
    },
    RemoveRoute(Route),
}

impl Route {
    pub(super) fn default_by(router: Ipv4Addr) -> Route {
        Route { to: Ipv4Addr::UNSPECIFIED, prefix: 0, via: Some(router) }
    }
}

impl Setup {
    /// The router of most packets.
    pub(super) fn gateway(&self) -> Option<Ipv4Addr> {
        self.routes.iter().find(|route| route.prefix == 0).and_then(|route| route.via)
    }
}

/// The new is there before the old goes, so that there is always a way to talk.
pub(super) fn change(old: Option<&Setup>, new: Option<&Setup>) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Some(new) = new {
        // Put again even if it is there: somebody may have taken it away.
        steps.push(Step::AddAddress { address: new.address, prefix: new.prefix });
        // What a gateway is reached by comes before what goes through it.
        let (direct, through): (Vec<_>, Vec<_>) = new.routes.iter().partition(|route| route.via.is_none());
        let put = |route: &&Route| Step::PutRoute { route: (*route).clone(), from: new.address };
        steps.extend(direct.iter().chain(&through).map(put));
    }
    let Some(old) = old else { return steps };
    let same_network = |one: &Route, other: &Route| one.to == other.to && one.prefix == other.prefix;
    let kept = |route: &&Route| new.is_some_and(|new| new.routes.iter().any(|other| same_network(route, other)));
    steps.extend(old.routes.iter().filter(|route| !kept(route)).cloned().map(Step::RemoveRoute));
    if new.is_none_or(|new| (new.address, new.prefix) != (old.address, old.prefix)) {
        steps.push(Step::RemoveAddress { address: old.address, prefix: old.prefix });
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

    fn setup(last: u8, routes: &[Route]) -> Setup {
        Setup { address: Ipv4Addr::new(10, 0, 0, last), prefix: 24, routes: routes.to_vec() }
    }

    #[test]
    fn the_new_address_is_there_before_the_old_one_goes() {
        let default = Route::default_by(ROUTER);
        let (old, new) = (setup(5, std::slice::from_ref(&default)), setup(6, std::slice::from_ref(&default)));
        assert_eq!(
            change(Some(&old), Some(&new)),
            [
                Step::AddAddress { address: new.address, prefix: 24 },
                Step::PutRoute { route: default, from: new.address },
                Step::RemoveAddress { address: old.address, prefix: 24 },
            ]
        );
    }

    #[test]
    fn a_route_that_is_no_longer_lent_goes_and_the_address_stays() {
        let far = Route { to: Ipv4Addr::new(172, 16, 0, 0), prefix: 12, via: Some(ROUTER) };
        let steps = change(Some(&setup(5, std::slice::from_ref(&far))), Some(&setup(5, &[])));
        let address = Ipv4Addr::new(10, 0, 0, 5);
        assert_eq!(steps, [Step::AddAddress { address, prefix: 24 }, Step::RemoveRoute(far)]);
    }

    #[test]
    fn a_gateway_outside_of_the_network_is_reached_by_the_route_before_it() {
        let gateway = Ipv4Addr::new(10, 9, 9, 9);
        let direct = Route { to: gateway, prefix: 32, via: None };
        let steps = change(None, Some(&setup(5, &[Route::default_by(gateway), direct.clone()])));
        assert!(matches!(steps.get(1), Some(Step::PutRoute { route, .. }) if *route == direct));
        assert_eq!(steps.len(), 3);
    }
}
